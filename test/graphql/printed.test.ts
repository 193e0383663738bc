// What the README and the first start give to paste: every document is one of this schema, and so is the one within the
// README's line for curl. That they answer is test/tour.test.ts's.
import { readFile } from 'node:fs/promises';
import { buildSchema, parse, validate } from 'graphql';
import { expect, test } from 'vitest';
import { documentsToPaste } from '../../src/setup/welcome.ts';

const read = (name: string) => readFile(new URL(`../../${name}`, import.meta.url), 'utf8');

/** Those that are none, with the reason. */
async function faults(documents: readonly string[]): Promise<string[]> {
  const schema = buildSchema(await read('schema.graphql'));
  return documents.flatMap((document) => {
    try {
      return validate(schema, parse(document)).map(({ message }) => `${message} In: ${document}`);
    } catch (error) {
      return [`${String(error)} In: ${document}`];
    }
  });
}

test('every document of the README is valid', async () => {
  const readme = await read('README.md');
  const blocks = [...readme.matchAll(/```graphql\n([\s\S]*?)```/g)].map(([, text = '']) => text);
  const inCurl = [...readme.matchAll(/-d '(\{"query": [^']*\})'/g)].map(
    ([, text = '']) => JSON.parse(text).query,
  );
  expect(blocks.length).toBeGreaterThanOrEqual(7);
  expect(inCurl.length).toBe(1);
  expect(await faults([...blocks, ...inCurl])).toEqual([]);
});

test('every document that the first start prints is valid', async () => {
  const documents = Object.values(documentsToPaste({ environmentId: 'RW52', serviceId: 'U2Vy' }));
  expect(documents.map((document) => document.split(' ')[0])).toEqual(['query', 'subscription', 'mutation']);
  expect(await faults(documents)).toEqual([]);
  // The look finds what is none.
  expect(
    (await faults([documents.join('\n').replace('hasPendingChanges', 'hasChanges'), '{'])).length,
  ).toBeGreaterThan(1);
});
