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
