// The entry points: small scripts for the image's own shell, kept as files in entry/. They take variables as data only.
// The program's name and its signal are put in here, never at run time.
import { readFileSync } from 'node:fs';
import type { TextFile } from './recipe.ts';

const place = '/usr/local/bin/entry-point';

export const entrypoint: readonly string[] = [place];

export function entryFile(name: string, program = '', signal = ''): TextFile {
  const text = readFileSync(new URL(`./entry/${name}.sh`, import.meta.url), 'utf8');
  const filledIn = text.replaceAll('@PROGRAM@', program).replaceAll('@SIGNAL@', signal);
  return { path: place, text: filledIn, mode: 0o755 };
}
