// Text from a source or a build, made fit for somebody's terminal. Nothing but characters is left: no colours, no cursor
// movement, no titles. Used on both ends of the push channel, so that neither has to trust the other.
import { stripVTControlCharacters } from 'node:util';

const longestLine = 4096;

/** One line: whole escape sequences are dropped, then every control character but the tab. */
export function plainLine(text: string): string {
  const plain = stripVTControlCharacters(text).replace(/[^\P{Cc}\t]/gu, '');
  return plain.length > longestLine ? `${plain.slice(0, longestLine)} …` : plain;
}
