// How values are written in answers: moments and global ids by quicker ways than the library's, to the same letters.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readGlobalId, writeGlobalId } from '../../src/graphql/global-id.ts';
import { buildSchema } from '../../src/graphql/schema.ts';

const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,20}$/);

test('a moment of any year is written as RFC 3339, like by the language itself', () => {
  const type = buildSchema().getType('DateTime') as unknown as { coerceOutputValue(value: Date): unknown };
  fc.assert(
    fc.property(fc.array(fc.date({ noInvalidDate: true }), { minLength: 1 }), (moments) => {
      for (const moment of moments) expect(type.coerceOutputValue(moment)).toBe(moment.toISOString());
    }),
  );
});

test('a moment is read of the years that the database knows', () => {
  const type = buildSchema().getType('DateTime') as unknown as { parseValue(value: unknown): Date };
  for (const text of ['0000-12-31T23:59:59Z', '9999-12-31T23:59:59-01:00', '0001-01-01T00:00:00+01:00'])
    expect(() => type.parseValue(text)).toThrow('within the years 1 to 9999');
  for (const text of ['0001-01-01T00:00:00.000Z', '9999-12-31T23:59:59.999Z'])
    expect(type.parseValue(text).toISOString()).toBe(text);
});

test('an id is written in base64url without padding, and read back', () => {
  fc.assert(
    fc.property(name, fc.uuid(), name, (typename, uuid, last) => {
      for (const id of [uuid, `${uuid}/${last}`]) {
        const written = writeGlobalId(typename, id);
        expect(written).toBe(Buffer.from(`${typename}:${id}`).toString('base64url'));
        expect(readGlobalId(written)).toEqual({ typename, id });
      }
    }),
  );
});
