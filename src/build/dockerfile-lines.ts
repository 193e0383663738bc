// A Dockerfile's instructions by the builder's own rules for lines and flags, as a second opinion on the parser's. The two
// read some texts differently (a heredoc's body, a quote or an escape within a flag, odd white space), and an image that
// only the builder sees would be taken from the engine without being checked. Where they differ the source is refused.
import type { Dockerfile, Instruction, ModifiableInstruction } from 'dockerfile-ast';

/** What can't be read beyond doubt, and its line from 0. */
export interface Doubt {
  readonly line: number;
  readonly message: string;
}

interface Line {
  readonly line: number;
  readonly keyword: string;
  readonly rest: string;
}

export function findDoubt(text: string, dockerfile: Dockerfile): Doubt | undefined {
  return (
    findOddSpace(text) ??
    findOddEscape(text, dockerfile.getEscapeCharacter()) ??
    findDifference(readLines(text, dockerfile.getEscapeCharacter()), dockerfile.getInstructions())
  );
}

/** White space that divides words for one of the two only. */
function findOddSpace(text: string): Doubt | undefined {
  const at = text.search(/[\v\f\u0085\u2028\u2029]|\r(?!\n)/);
  if (at < 0) return undefined;
  return {
    line: text.slice(0, at).split('\n').length - 1,
    message: 'has white space other than blanks, tabs and line ends.',
  };
}

function findOddEscape(text: string, parsers: string): Doubt | undefined {
  const lines = text.split('\n');
  let own = '\\';
  let leading = true;
  for (const [line, written] of lines.entries()) {
    if (/^\s*#\s*escape\s*=/i.test(written)) {
      const plain = /^#[ \t]*escape[ \t]*=[ \t]*([\\`])[ \t]*\r?$/i.exec(written);
      if (!leading || plain?.[1] === undefined)
        return { line, message: 'An escape directive stands before all else, as "# escape=`".' };
      own = plain[1];
    }
    leading &&= /^\s*#\s*(?:syntax|escape)\s*=/i.test(written);
  }
  return own === parsers ? undefined : { line: 0, message: "The escape directive can't be read." };
}

/** Logical lines: continued by an escape at the end, through empty lines and comments. */
function readLines(text: string, escapeCharacter: string): Line[] {
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
  const isNothing = (line: string) => /^(?:$|#)/.test(line.trimStart());
  const read: Line[] = [];
  let open: { line: number; body: string } | undefined;
  for (const [line, written] of lines.entries()) {
    if (isNothing(written)) continue;
    open ??= { line, body: '' };
    const trimmed = written.replace(/[ \t]+$/, '');
    const goesOn = trimmed.endsWith(escapeCharacter);
    open.body += goesOn ? trimmed.slice(0, -1) : written;
    if (goesOn) continue;
    read.push(divide(open));
    open = undefined;
  }
  if (open !== undefined) read.push(divide(open));
  return read;
}

function divide({ line, body }: { line: number; body: string }): Line {
  const [, keyword = '', rest = ''] = /^(\S*)\s*([\s\S]*)$/.exec(body.trim()) ?? [];
  return { line, keyword: keyword.toUpperCase(), rest };
}

function findDifference(lines: readonly Line[], instructions: readonly Instruction[]): Doubt | undefined {
  for (const [index, line] of lines.entries()) {
    const instruction = instructions[index];
    const same =
      instruction?.getRange().start.line === line.line && instruction.getKeyword() === line.keyword;
    if (!same)
      return {
        line: line.line,
        message: "It can't be told beyond doubt where an instruction begins here. Heredocs aren't supported.",
      };
    const message = doubtOf(line, instruction);
    if (message !== undefined) return { line: line.line, message };
  }
  if (lines.length === instructions.length) return undefined;
  return {
    line: instructions[lines.length]?.getRange().start.line ?? 0,
    message: "can't be read beyond doubt.",
  };
}

function doubtOf(line: Line, instruction: Instruction): string | undefined {
  if (line.keyword === 'FROM') {
    const plain = /^(?:--[a-z]+=[!-~]+[ \t]+)*[!-~]+(?:[ \t]+AS[ \t]+[!-~]+)?$/i;
    return plain.test(line.rest) ? undefined : 'FROM is followed by one image, and by "AS name" if wanted.';
  }
  // Run by whatever builds on this stage, without having been read by anybody before.
  if (line.keyword === 'ONBUILD' && /--(?:from|mount)/.test(line.rest.replace(/[^a-z-]/g, '')))
    return "ONBUILD can't take files from another image.";
  const added = line.keyword === 'ADD' ? line.rest : /^ADD\b([\s\S]*)$/i.exec(onBuild(line))?.[1];
  if (added !== undefined && mayFetch(added))
    return 'ADD takes files of the source alone, written plainly; fetch others with RUN.';
  if (line.keyword !== 'COPY' && line.keyword !== 'RUN') return undefined;
  const flags = plainFlags(line.rest);
  const parsers = (instruction as ModifiableInstruction).getFlags().map(String);
  if (flags !== undefined && flags.join(' ') === parsers.join(' ')) return undefined;
  return `The flags of ${line.keyword} can't be read beyond doubt. Write them without quotes and escapes, as --name=value.`;
}

function onBuild({ keyword, rest }: Line): string {
  return keyword === 'ONBUILD' ? rest.trim() : '';
}

/** The engine would fetch it from where the engine stands, which is no place of the build's. */
function mayFetch(rest: string): boolean {
  const inJson = /^(?:--\S+\s+)*\[/.test(rest.trim());
  return /:\/\/|[$\\`']/.test(rest) || (!inJson && rest.includes('"'));
}

/** The flags at the beginning; undefined when there may be another that isn't plainly written. */
function plainFlags(rest: string): readonly string[] | undefined {
  const flag = /^(--[a-z]+(?:-[a-z]+)*(?:=[A-Za-z0-9._/:@,=${}+-]*)?)[ \t]+/;
  const flags: string[] = [];
  let left = rest;
  for (let found = flag.exec(left); found?.[1] !== undefined; found = flag.exec(left)) {
    flags.push(found[1]);
    left = left.slice(found[0].length);
  }
  return /^(?:--|\s)/.test(left) ? undefined : flags;
}
