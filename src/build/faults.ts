// What can be wrong with a source that was pushed, each with a sentence for the person who pushed it. What goes wrong in
// the engine or in git itself is not here: that is no fault of the source.
import { Refusal } from '../errors.ts';

/** The source breaks a rule of building. `line` counts from 1 within `file`; undefined when no line is to blame. */
export class BuildInputInvalid extends Refusal {
  readonly file: string | undefined;
  readonly line: number | undefined;
  constructor(message: string, file?: string, line?: number) {
    const place = file === undefined ? '' : line === undefined ? `${file}: ` : `${file}, line ${line}: `;
    super('INVALID', `${place}${message}`);
    this.name = 'BuildInputInvalid';
    this.file = file;
    this.line = line;
  }
}

/** No Dockerfile, and nothing a language is known by. The message lists what would be recognised. */
export class SourceNotRecognised extends Refusal {
  constructor(known: readonly string[]) {
    super(
      'INVALID',
      `The source has no Dockerfile and its language isn't recognised. Any of these at its root would be: Dockerfile; ${known.join('; ')}.`,
    );
    this.name = 'SourceNotRecognised';
  }
}
