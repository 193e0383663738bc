// The languages, in the order in which they are tried: the more a file says about a source, the earlier. A new one is a
// file beside this and a line here.
import { SourceNotRecognised } from '../faults.ts';
import type { Language, ReadFile } from './language.ts';
import { node } from './node.ts';
import { procfileOnly } from './procfile-only.ts';
import { python } from './python.ts';
import { staticSite } from './static-site.ts';

export const languages: readonly Language[] = [node, python, staticSite, procfileOnly];

/** The first that recognises the source; SourceNotRecognised when none does. */
export async function recognise(files: readonly string[], read: ReadFile): Promise<Language> {
  for (const language of languages) if (await language.recognises(files, read)) return language;
  throw new SourceNotRecognised(languages.map(({ knownBy }) => knownBy));
}
