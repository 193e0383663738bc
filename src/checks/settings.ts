// Settings of checks as data from outside: checked by their type's schema, with a refusal that names field and rule.
import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { InvalidInput } from '../errors.ts';
import type { CheckType } from './check-type.ts';

/** Of types that have nothing to set. */
export const noSettings = z.strictObject({});

/** Text that the database can keep. */
export const settingText = (longest: number) =>
  z
    .string()
    .max(longest)
    .refine(
      (text) => text.isWellFormed() && !text.includes('\0'),
      'must be well-formed Unicode without NUL.',
    );

/** Certificates of authorities in PEM; empty: nothing is verified. */
export const authorities = z
  .string()
  .max(100_000)
  .refine((pem) => pem === '' || isPem(pem), 'must be certificates in PEM.')
  .default('');

function isPem(pem: string): boolean {
  try {
    const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    return blocks.map((block) => new X509Certificate(block)).length > 0;
  } catch {
    return false;
  }
}

/** The settings with what was not given at its standard. InvalidInput says what the first breach is. */
export function checkSettings(
  { title, schema }: Pick<CheckType, 'title' | 'schema'>,
  given: unknown,
  path: readonly string[] = [],
): Readonly<Record<string, unknown>> {
  const parsed = schema.safeParse(given, { error: (issue) => ruleOf(issue, title) });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const unknownKeys = issue?.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const field = [...(issue?.path ?? []), ...unknownKeys].map(String);
  throw new InvalidInput([...path, ...field], issue?.message ?? 'is not valid.');
}

const names: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a set of fields',
};

/** For breaches of rules that carry no sentence of their own. */
function ruleOf(issue: z.core.$ZodRawIssue, title: string): string {
  const things = (count: number | bigint) =>
    issue.origin === 'string' ? `${count} characters` : issue.origin === 'array' ? `${count} entries` : count;
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${names[issue.expected] ?? issue.expected}.`;
    case 'invalid_value':
      return `must be one of ${issue.values.join(', ')}.`;
    case 'too_big':
      return `must be at most ${things(issue.maximum)}.`;
    case 'too_small':
      return `must be at least ${things(issue.minimum)}.`;
    case 'unrecognized_keys':
      return `is no setting of a check of type ${title}.`;
    default:
      return 'is not valid.';
  }
}
