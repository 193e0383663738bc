// Streams over a log whose answers are the test's own: many items at once, and a window that lags behind what is committed.
import { expect, test } from 'vitest';
import { readPage, streamChanges } from '../../src/control/numbered-stream.ts';
import type { Numbered, NumberedLog } from '../../src/postgres/numbered-log.ts';

const environmentId = '01a21ee4-0f61-76bf-9773-73b64faf94af';

/** Items 1 to `last`; past the table only `seen` of them. */
function logOf(last: number, seen = last, from = 0): NumberedLog<Numbered, never> {
  return {
    state: async () => ({ epoch: 'e', firstSeq: 1, lastSeq: from === 0 ? last : from }),
    read: async (_environmentId, seq, limit, { fromTable = false } = {}) =>
      Array.from({ length: fromTable ? last : seen }, (_, at) => ({ seq: at + 1 }))
        .filter((item) => item.seq > seq)
        .slice(0, limit),
    follow: () => ({ wait: async () => true, release: () => {} }),
    close: () => {},
  };
}

test('a state stream ends with its subject, however much comes with the end and after it', async () => {
  const selection = {
    log: logOf(450, 450, 10),
    environmentId,
    isLast: ({ seq }: Numbered) => seq === 100,
    ended: async () => false,
  };
  const marks: number[] = [];
  for await (const { seq } of streamChanges(selection, () => true, AbortSignal.timeout(5_000)))
    marks.push(seq);
  expect(marks).toEqual([10, 450]);
});

test('a page that says it is at the end has all that is committed', async () => {
  const selection = {
    log: logOf(12, 9),
    cursors: 'EVENTS' as const,
    environmentId,
    begin: 'FIRST' as const,
    ended: async () => false,
  };
  const { items } = await readPage(selection, 100);
  expect(items.map(({ kind }) => kind)).toEqual([...Array(12).fill('ITEM'), 'CAUGHT_UP']);
});
