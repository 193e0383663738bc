// Which images a Dockerfile builds on, and the same Dockerfile with each of them named by its id, so that the engine never
// asks a registry by itself and takes no image that wasn't asked for by name. Refused here is what can't be built at all and
// what the builder might read otherwise (dockerfile-lines.ts); whose images may be used is the caller's to say.
import {
  type Copy,
  type Dockerfile,
  DockerfileParser,
  type From,
  type Instruction,
  Keyword,
} from 'dockerfile-ast';
import { findDoubt } from './dockerfile-lines.ts';
import { expand, platformVariables } from './dockerfile-variables.ts';
import { BuildInputInvalid } from './faults.ts';

export const dockerfileName = 'Dockerfile';
export const dockerfileMaxBytes = 256 * 1024;

/** One place in the text that names an image: from outside the Dockerfile, or one of its own stages (or nothing). */
interface ImageUse {
  readonly reference: string;
  readonly isOwn: boolean;
  readonly range: Range;
}

type Named = Pick<ImageUse, 'reference' | 'range'>;
type Range = NonNullable<ReturnType<From['getImageRange']>>;

/** The images it is built on, each once, in order of first use. BuildInputInvalid with the line when it can't be read. */
export function baseImages(text: string): readonly string[] {
  const foreign = imageUses(parse(text)).filter(({ isOwn }) => !isOwn);
  return [...new Set(foreign.map(({ reference }) => reference))];
}

/** Rewrites each image reference to what `pins` has for it; a reference that is missing there is a fault of the caller. */
export function pinBases(text: string, pins: Readonly<Record<string, string>>): string {
  const lines = withoutMark(text).split('\n');
  for (const { reference, isOwn, range } of imageUses(parse(text)).reverse()) {
    // A stage is named as it was understood here, so that the builder expands nothing to something else.
    const pin = isOwn ? reference : Object.hasOwn(pins, reference) ? pins[reference] : undefined;
    if (pin === undefined) throw new TypeError(`No pin was given for ${reference}.`);
    const first = lines[range.start.line] ?? '';
    const last = lines[range.end.line] ?? '';
    const replaced = first.slice(0, range.start.character) + pin + last.slice(range.end.character);
    lines.splice(range.start.line, range.end.line - range.start.line + 1, replaced);
  }
  return withoutSyntaxDirective(lines).join('\n');
}

function withoutMark(text: string): string {
  return text.replace(/^\uFEFF/, '');
}

/** `# syntax=` names an image too, one that would read the Dockerfile in the builder's place. It is not obeyed. Directives
 * stand before anything else, so the line's place is kept by an empty one after them. */
function withoutSyntaxDirective(lines: readonly string[]): readonly string[] {
  const isDirective = (line: string) => /^\s*#\s*[A-Za-z][A-Za-z0-9]*\s*=/.test(line);
  const end = lines.findIndex((line) => !isDirective(line));
  const directives = lines.slice(0, Math.max(end, 0));
  const kept = directives.filter((line) => !/^\s*#\s*syntax\s*=/i.test(line));
  const blank = Array.from({ length: directives.length - kept.length }, () => '');
  return [...kept, ...blank, ...lines.slice(directives.length)];
}

function parse(text: string): Dockerfile {
  if (text.includes('\0')) throw new BuildInputInvalid('contains a NUL character.', dockerfileName);
  const dockerfile = DockerfileParser.parse(withoutMark(text));
  checkInstructions(dockerfile);
  const doubt = findDoubt(withoutMark(text), dockerfile);
  if (doubt !== undefined) throw new BuildInputInvalid(doubt.message, dockerfileName, doubt.line + 1);
  return dockerfile;
}

function checkInstructions(dockerfile: Dockerfile): void {
  const known = new Set<string>(Object.values(Keyword));
  let begun = false;
  for (const instruction of dockerfile.getInstructions()) {
    const keyword = instruction.getKeyword();
    if (!known.has(keyword))
      throw fault(`There is no instruction ${instruction.getInstruction()}.`, instruction);
    if (keyword === 'FROM') begun = true;
    else if (!begun && keyword !== 'ARG')
      throw fault('Only ARG may stand before the first FROM.', instruction);
    if (instruction.getArguments().length === 0 && keyword !== 'FROM')
      throw fault(`${keyword} needs something after it.`, instruction);
  }
  if (!begun) throw new BuildInputInvalid('has no FROM.', dockerfileName);
}

function imageUses(dockerfile: Dockerfile): ImageUse[] {
  const variables = globalVariables(dockerfile);
  const escapeCharacter = dockerfile.getEscapeCharacter();
  /** Names of the stages so far, the one being read included. */
  const stages: (string | undefined)[] = [];
  const uses: ImageUse[] = [];
  for (const instruction of dockerfile.getInstructions()) {
    if (isFrom(instruction)) {
      const use = fromUse(instruction, variables, escapeCharacter);
      uses.push({ ...use, isOwn: use.reference === 'scratch' || isStage(use.reference, stages) });
      stages.push(instruction.getBuildStage()?.toLowerCase());
    } else {
      // A stage that is still being built can't be copied from: the builder takes its name for an image's.
      const ended = stages.slice(0, -1);
      for (const { reference, range } of sideUses(instruction)) {
        const isOwn =
          reference === 'scratch' || isStage(reference, ended) || isStageNumber(reference, ended.length);
        uses.push({ reference, range, isOwn });
      }
    }
  }
  return uses;
}

function isStage(reference: string, stages: readonly (string | undefined)[]): boolean {
  return stages.includes(reference.toLowerCase());
}

function isFrom(instruction: Instruction): instruction is From {
  return instruction.getKeyword() === 'FROM';
}

function isStageNumber(reference: string, stageCount: number): boolean {
  return /^\d+$/.test(reference) && Number(reference) < stageCount;
}

function globalVariables(dockerfile: Dockerfile): Map<string, string> {
  const variables = platformVariables();
  for (const arg of dockerfile.getInitialARGs()) {
    for (const property of arg.getProperties()) {
      const value = expand(property.getValue() ?? '', variables, dockerfile.getEscapeCharacter());
      if (value !== undefined) variables.set(property.getName(), value);
    }
  }
  return variables;
}

function fromUse(from: From, variables: ReadonlyMap<string, string>, escapeCharacter: string): Named {
  const range = from.getImageRange();
  const written = from.getImage();
  const words = from.getArguments().filter((word) => !word.getValue().startsWith('--'));
  const wellFormed =
    words.length === 1 || (words.length === 3 && words[1]?.getValue().toUpperCase() === 'AS');
  if (range === null || written === null || !wellFormed)
    throw fault('FROM is followed by one image, and by "AS name" if wanted.', from);
  const reference = expand(written.replace(/^"(.*)"$/, '$1'), variables, escapeCharacter);
  if (reference === undefined) throw fault(`The variable in ${written} can't be read.`, from);
  return { reference: checkedReference(reference, written, from), range };
}

/** Images that COPY and RUN take files from. */
function sideUses(instruction: Instruction): Named[] {
  const keyword = instruction.getKeyword();
  if (keyword !== 'COPY' && keyword !== 'RUN') return [];
  // Both kinds carry flags; the parser's own type for RUN isn't needed for that.
  const flags = (instruction as Copy).getFlags();
  const named = flags
    .map((flag) => {
      if (keyword === 'COPY') return flag.getName() === 'from' ? flag : null;
      return flag.getName() === 'mount' ? flag.getOption('from') : null;
    })
    .filter((source) => source !== null);
  return named.map((source) => {
    const written = source.getValue();
    const range = source.getValueRange();
    if (written === null || written === '' || range === null)
      throw fault(`${keyword} has a "from" without a name.`, instruction);
    return { reference: checkedReference(written, written, instruction), range };
  });
}

/** What an image's name can be made of; nothing else is ever given to an engine or a registry. */
function checkedReference(reference: string, written: string, instruction: Instruction): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}$/.test(reference)) return reference;
  const became = reference === written ? '' : ` (it becomes "${reference.slice(0, 80)}")`;
  throw fault(`${written} doesn't name an image${became}.`, instruction);
}

function fault(message: string, instruction: Instruction): BuildInputInvalid {
  return new BuildInputInvalid(message, dockerfileName, instruction.getRange().start.line + 1);
}
