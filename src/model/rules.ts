// Names and numbers a caller may give, each rule once. Pure checks that throw InvalidInput with the field's path.
import { InvalidInput } from '../errors.ts';

type Path = readonly string[];

/** A DNS label: the private name of a service, the first label of an environment's host name. */
const label = /^[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?$/;
const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/;
const target = /^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38}[A-Za-z0-9])?$/;

export const maximumVariableBytes = 64 * 1024;
export const maximumVariables = 500;
/** All values of a service together; the kernel's room for a process's environment ends not far above. */
export const maximumEnvironmentBytes = 1024 * 1024;

/** Whether anything can be called so at all. */
export function isLabel(value: string): boolean {
  return label.test(value);
}

export function checkLabel(value: string, path: Path): string {
  if (!label.test(value))
    throw new InvalidInput(
      path,
      'must be 1 to 40 lower-case letters, digits or hyphens, begin with a letter and not end with a hyphen.',
    );
  return value;
}

export function checkName(value: string, path: Path): string {
  const name = value.trim();
  if (name.length === 0 || name.length > 80 || hasControl(name))
    throw new InvalidInput(path, 'must be 1 to 80 characters without control characters.');
  return name;
}

export function checkNote(value: string | null | undefined, path: Path): string | null {
  if (value === null || value === undefined) return null;
  if (value.length > 1000 || value.includes('\0') || !value.isWellFormed())
    throw new InvalidInput(path, 'must be at most 1,000 characters of well-formed Unicode without NUL.');
  return value;
}

/** Text of several lines that a person wrote. */
export function checkText(value: string, longest: number, path: Path): string {
  const text = value.trim();
  if (text.length === 0 || text.length > longest || text.includes('\0') || !text.isWellFormed())
    throw new InvalidInput(path, `must be 1 to ${longest} characters of well-formed Unicode without NUL.`);
  return text;
}

/** Whether a process of a Procfile can be called so. */
export function isTarget(value: string): boolean {
  return target.test(value);
}

export function checkTarget(value: string, path: Path): string {
  if (!isTarget(value) || value === 'web')
    throw new InvalidInput(
      path,
      'must be the name of a Procfile target other than web: 1 to 40 letters, digits, _ or -.',
    );
  return value;
}

export function checkVariableName(value: string, path: Path): string {
  if (value.length > 200 || !variableName.test(value))
    throw new InvalidInput(path, 'must match ^[A-Za-z_][A-Za-z0-9_]*$ and be at most 200 characters.');
  return value;
}

export function checkVariableValue(value: string, path: Path): string {
  if (!value.isWellFormed())
    throw new InvalidInput(path, 'must be well-formed Unicode; it has a lone surrogate.');
  if (value.includes('\0')) throw new InvalidInput(path, 'must not contain NUL.');
  if (utf8Length(value) > maximumVariableBytes)
    throw new InvalidInput(path, `must be at most ${maximumVariableBytes} bytes of UTF-8.`);
  return value;
}

export function checkRange(value: number, low: number, high: number, path: Path, unit = ''): number {
  if (!Number.isInteger(value) || value < low || value > high)
    throw new InvalidInput(path, `must be a whole number from ${low} to ${high}${unit ? ` ${unit}` : ''}.`);
  return value;
}

export function checkIdempotencyKey(value: string | null | undefined, path: Path): string | undefined {
  if (value === null || value === undefined) return undefined;
  if (value.length < 1 || value.length > 200 || hasControl(value))
    throw new InvalidInput(path, 'must be 1 to 200 characters without control characters.');
  return value;
}

/** A namespace from a name a person chose; empty when nothing of it can be used. */
export function namespaceFrom(name: string): string {
  return name
    .normalize('NFKD')
    .replaceAll(/\p{Mark}/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^[^a-z]+|-+$/g, '')
    .slice(0, 32)
    .replace(/-+$/, '');
}

export function utf8Length(value: string): number {
  return new TextEncoder().encode(value).length;
}

function hasControl(value: string): boolean {
  for (const character of value) {
    const code = character.codePointAt(0) ?? 0;
    if (code < 32 || code === 127) return true;
  }
  return !value.isWellFormed();
}
