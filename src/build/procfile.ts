// The Procfile: target names and the command line each is started with. Reading it is here; that a command line is run by
// the image's /bin/sh, and which target becomes which kind of job, is not.
import { isTarget } from '../model/rules.ts';
import { BuildInputInvalid } from './faults.ts';

/** Target name → command line, in the file's order. */
export type Procfile = ReadonlyMap<string, string>;

export const procfileName = 'Procfile';
export const procfileMaxBytes = 64 * 1024;
const mostTargets = 64;

/** BuildInputInvalid with the line number for everything that isn't `name: command`, a comment or a blank line. */
export function parseProcfile(text: string): Procfile {
  const targets = new Map<string, string>();
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/);
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    const [name, command] = parseLine(line, index + 1);
    if (targets.has(name)) throw fault(`The target ${name} stands here a second time.`, index + 1);
    if (targets.size === mostTargets)
      throw fault(`A Procfile has ${mostTargets} targets at most.`, index + 1);
    targets.set(name, command);
  }
  if (!targets.has('web'))
    throw new BuildInputInvalid('has no target named web. Add a line "web: <command>".', procfileName);
  return targets;
}

function parseLine(line: string, number: number): [name: string, command: string] {
  const colon = line.indexOf(':');
  if (colon < 0) throw fault('A line is "name: command"; here the colon is missing.', number);
  const name = line.slice(0, colon);
  const command = line.slice(colon + 1).trim();
  if (!isTarget(name))
    throw fault(
      "A target's name is 1 to 40 letters, digits, _ and -, and begins and ends with a letter or digit.",
      number,
    );
  if (command === '') throw fault(`The target ${name} has no command.`, number);
  if (command.includes('\0')) throw fault(`The command of ${name} contains a NUL character.`, number);
  return [name, command];
}

function fault(message: string, line: number): BuildInputInvalid {
  return new BuildInputInvalid(message, procfileName, line);
}
