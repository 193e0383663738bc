// Names, values and numbers at their borders, and what is shown of secret values.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InvalidInput } from '../../src/errors.ts';
import { redactor } from '../../src/model/redaction.ts';
import * as rules from '../../src/model/rules.ts';
import { chooseSize, standardSize } from '../../src/model/sizes.ts';

const path = ['input', 'it'];

function refuses(check: () => unknown): void {
  try {
    check();
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidInput);
    expect((error as InvalidInput).inputPath).toEqual(path);
    return;
  }
  throw new Error('it was accepted');
}

type Check = (value: string, path: string[]) => unknown;

test.each<[string, Check, string[], string[]]>([
  [
    'labels',
    rules.checkLabel,
    ['a', 'web-1', 'a'.repeat(40)],
    ['', '1a', 'a-', '-a', 'A', 'a_b', 'a.b', 'ä', 'a\n', 'a'.repeat(41)],
  ],
  [
    'targets',
    rules.checkTarget,
    ['w', 'Mail_er-2', '2', 'a'.repeat(40)],
    ['', 'web', '-a', 'a-', '_a', 'a b', '__proto__', 'a\n', 'a'.repeat(41)],
  ],
  [
    'names of variables',
    rules.checkVariableName,
    ['A', '_', 'a1_B', '__proto__', 'A'.repeat(200)],
    ['', '1', 'A-B', 'A B', 'A=B', 'A\n', 'Ä', 'A'.repeat(201)],
  ],
  [
    'values',
    rules.checkVariableValue,
    ['', '\n', '😀', 'a'.repeat(65_536), 'ä'.repeat(32_768)],
    ['\0', 'a\0', '\ud800', '\udc00a', 'a'.repeat(65_537), 'ä'.repeat(32_769), '😀'.repeat(16_385)],
  ],
  [
    'names for people',
    rules.checkName,
    ['a', ' a ', 'Ä 😀', 'a'.repeat(80)],
    ['', ' ', '\t', 'a\0b', 'a\nb', 'a\x7f', '\ud800', 'a'.repeat(81)],
  ],
  ['notes', rules.checkNote, ['', 'a\nb', 'a'.repeat(1_000)], ['a\0', 'a\ud800', 'a'.repeat(1_001)]],
  [
    'idempotency keys',
    rules.checkIdempotencyKey,
    ['a', ' ', 'a'.repeat(200)],
    ['', 'a\n', '\ud800', 'a'.repeat(201)],
  ],
])('%s', (_what, check, good, bad) => {
  for (const value of good) expect(() => check(value, path)).not.toThrow();
  for (const value of bad) refuses(() => check(value, path));
});

test('names are given back without the space around them; absent notes and keys stay absent', () => {
  expect(rules.checkName('  Shop  ', path)).toBe('Shop');
  expect([rules.checkNote(null, path), rules.checkNote(undefined, path)]).toEqual([null, null]);
  expect(rules.checkIdempotencyKey(null, path)).toBeUndefined();
});

test('numbers: whole and within', () => {
  for (const value of [1, 2, 3]) expect(rules.checkRange(value, 1, 3, path)).toBe(value);
  for (const value of [0, 4, 1.5, Number.NaN, Number.POSITIVE_INFINITY])
    refuses(() => rules.checkRange(value, 1, 3, path));
});

test('a namespace made from any name is a label or empty, with room for a suffix', () => {
  expect(['My Shop!', '  42 Müller & Söhne', 'Ünïcode', '日本', '', '-'].map(rules.namespaceFrom)).toEqual([
    ...['my-shop', 'muller-sohne', 'unicode', '', '', ''],
  ]);
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (name) => {
      const made = rules.namespaceFrom(name);
      if (made !== '') rules.checkLabel(`${made}-123456`, path);
      if (made !== '') rules.checkLabel(made, path);
    }),
  );
});

test('sizes: absent fields keep their value, the least of an engine counts, storage only where there is some', () => {
  expect(chooseSize({}, standardSize, 0)).toEqual(standardSize);
  expect(chooseSize({ memoryMiB: 128, cpuMillis: null }, standardSize, 128)).toEqual({
    ...standardSize,
    memoryMiB: 128,
  });
  expect(chooseSize({ storageGiB: 20 }, { ...standardSize, storageGiB: 10 }, 0).storageGiB).toBe(20);
  expect(() => chooseSize({ memoryMiB: 127 }, standardSize, 128)).toThrow(/128 to/);
  expect(() => chooseSize({ storageGiB: 20 }, standardSize, 0)).toThrow(InvalidInput);
  expect(() => chooseSize({ storageGiB: 16_385 }, { ...standardSize, storageGiB: 1 }, 0)).toThrow(
    InvalidInput,
  );
});

const redact = redactor([
  ['API_KEY', 'k3y-of-the-kingdom'],
  ['LONGER', 'k3y-of-the-kingdom-and-more'],
  ['DATABASE_URL', 'postgresql://berth:p4ssw0rd!@db:5432/berth'],
  ['CERTIFICATE', 'first-line-of-it\nsecond-line-of-it\nend'],
  ['MODE', 'production'],
  ['PORT', '80808080'],
  ['SHORT', 'a1b2c3'],
  ['BERTH_SERVICE', 'web-service-1'],
]);

test.each([
  ['a key k3y-of-the-kingdom, twice: k3y-of-the-kingdom', 'a key [redacted], twice: [redacted]'],
  ['the longer one k3y-of-the-kingdom-and-more', 'the longer one [redacted]'],
  ['open postgresql://berth:p4ssw0rd!@db:5432/berth', 'open [redacted]'],
  ['only its password: p4ssw0rd!', 'only its password: [redacted]'],
  ['a line: second-line-of-it', 'a line: [redacted]'],
  [
    'what is no secret: production 8080 a1b2c3 web-service-1 end',
    'what is no secret: production 8080 a1b2c3 web-service-1 end',
  ],
  ['a NUL\0here', 'a NUL␀here'],
])('of "%s" is shown "%s"', (text, shown) => {
  expect(redact(text)).toBe(shown);
});

test('no value that looks secret is left in any text around it', () => {
  const secret = fc.stringMatching(/^[a-z]{4}[0-9$+]{4,20}$/);
  fc.assert(
    fc.property(fc.array(secret, { minLength: 1, maxLength: 4 }), fc.string(), (values, around) => {
      const hide = redactor(values.map((value, index) => [`V${index}`, value]));
      const shown = hide(values.join(around) + around);
      for (const value of values) expect(shown.replaceAll('[redacted]', ' ')).not.toContain(value);
    }),
  );
});
