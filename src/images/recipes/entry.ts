// The entry points: small scripts for the image's own shell, kept as files in entry/. They take variables as data only.
// The program's name is put in here, never at run time.
import { readFileSync } from 'node:fs';
import type { TextFile } from './recipe.ts';

const place = '/usr/local/bin/entry-point';

export const entrypoint: readonly string[] = [place];

export function entryFile(name: string, program?: string): TextFile {
  const text = readFileSync(new URL(`./entry/${name}.sh`, import.meta.url), 'utf8');
  return {
    path: place,
    text: program === undefined ? text : text.replaceAll('@PROGRAM@', program),
    mode: 0o755,
  };
}
