// One case of bad input, and the cases that many mutations have in common.
import type { Furnished } from '../support/furnish.ts';

/** What the cases speak of. `elsewhere` is another environment, `doomed` one that is being deleted. */
export type Objects = Furnished & {
  readonly elsewhere: Furnished;
  readonly doomed: Furnished;
  readonly customized: string;
  readonly doomedService: string;
};

/** The type of the error, the field it is about (dotted, within `input`; `-`: about none), the input. */
export type BadInput = readonly [
  error: string,
  path: string,
  input: (o: Objects) => object,
  caller?: 'ordinary',
];

export const long = (length: number) => 'x'.repeat(length);

const keys: readonly string[] = ['', long(201), 'a\nb', '\ud800'];
export const badKeys = (input: (o: Objects, key: string) => object): BadInput[] =>
  keys.map((key): BadInput => ['ValidationError', 'idempotencyKey', (o) => input(o, key)]);

const names: readonly string[] = ['', '  ', long(81), 'a\0', 'a\nb', '\ud800'];
export const badNames = (input: (o: Objects, name: string) => object): BadInput[] =>
  names.map((name): BadInput => ['ValidationError', 'name', (o) => input(o, name)]);
