// A container gets its environment variables byte for byte.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readAll, runToEnd, type World } from './world.ts';

const awkward = [
  '',
  ' ',
  '$HOME \u0024{PATH} $(id) `id`',
  '"double" \'single\' \\back\\slash\\n',
  'first\nsecond\r\n\nlast\n',
  '{{ .Node.Hostname }} {{}} %s #no comment',
  '=a=b=',
  '\u{1f600} größer é \u0001\u001b[31m\u007f\ufeff\uffff',
];

const tricky = fc.constantFrom(
  '$',
  '"',
  "'",
  '\\',
  '\n',
  '\r',
  '{{',
  '}}',
  '=',
  ' ',
  '#',
  '`',
  '\t',
  '€',
  '\u{10ffff}',
);
const value = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.array(fc.oneof(tricky, fc.string({ maxLength: 5 })), { maxLength: 60 }).map((parts) => parts.join('')),
);
const withoutNul = value.map((text) => text.replaceAll('\0', ''));

async function environmentSeen(
  world: World,
  environment: Record<string, string>,
): Promise<Record<string, string>> {
  const view = await runToEnd(world, 'base64 -w 0 /proc/self/environ | fold -w 8000', { environment });
  const lines = await readAll(world, view.name);
  const text = Buffer.from(lines.map((line) => line.text).join(''), 'base64').toString('utf8');
  const pairs = text.split('\0').filter((pair) => /^V\d+=/.test(pair));
  return Object.fromEntries(
    pairs.map((pair) => [pair.split('=', 1)[0] ?? '', pair.slice(pair.indexOf('=') + 1)]),
  );
}

function named(values: readonly string[]): Record<string, string> {
  return Object.fromEntries(values.map((text, index) => [`V${index}`, text]));
}

export function environmentContract(world: () => World): void {
  describe('environment variables', () => {
    it('arrive byte for byte', async () => {
      const environment = named([...awkward, 'x'.repeat(65_536), '€'.repeat(21_845)]);
      expect(await environmentSeen(world(), environment)).toEqual(environment);
    });

    it('arrive byte for byte, whatever they are', async () => {
      const values = fc.array(withoutNul, { minLength: 50, maxLength: 150 });
      await fc.assert(
        fc.asyncProperty(values, async (texts) => {
          const environment = named(texts);
          expect(await environmentSeen(world(), environment)).toEqual(environment);
        }),
        { numRuns: 4, endOnFailure: true },
      );
    }, 60_000);
  });
}
