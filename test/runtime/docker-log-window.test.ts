// Every line once: whatever a log holds, however often it is read again from where the window says, and in whatever pieces
// its bytes come.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { newLineReader } from '../../src/runtime/docker-log-lines.ts';
import { newLogWindow } from '../../src/runtime/docker-log-window.ts';
import type { LogLine } from '../../src/runtime/runtime.ts';

const epoch = 1_700_000_000_000_000_000n;

/** Steps of zero make equal times, large ones make the window forget; few texts make equal lines. */
const step = fc.constantFrom(0n, 0n, 1n, 1000n, 900_000_000n, 7_000_000_000n);
const piece = fc.record({
  step,
  stream: fc.constantFrom('STDOUT', 'STDERR'),
  text: fc.constantFrom('a', 'b'),
});
const log = fc.array(piece, { maxLength: 60 }).map((pieces) => {
  let time = epoch;
  return pieces.map(({ step, stream, text }): LogLine => {
    time += step;
    return { timeNanos: String(time), stream, text };
  });
});

function read(lines: readonly LogLine[], cutsAfter: readonly number[], mostKeys: number): LogLine[] {
  const window = newLogWindow(mostKeys);
  const got: LogLine[] = [];
  for (const count of [...cutsAfter, lines.length]) {
    window.restart();
    const since = BigInt(window.resumeNanos() ?? 0);
    const seen = lines.filter((line) => BigInt(line.timeNanos) >= since);
    got.push(...seen.slice(0, count).filter((line) => window.accept(line)));
  }
  return got;
}

it('a log that is read again and again from where the window says comes once and whole', () => {
  const cuts = fc.array(fc.nat(60), { maxLength: 6 });
  fc.assert(
    fc.property(log, cuts, (lines, cutsAfter) => {
      expect(read(lines, cutsAfter, 1000)).toEqual(lines);
    }),
  );
});

it('a repeat of the whole log, as after a rotation, gives nothing anew even when most of it has been forgotten', () => {
  const lines = Array.from({ length: 5000 }, (_, at): LogLine => {
    return { timeNanos: String(epoch + BigInt(at) * 1000n), stream: 'STDOUT', text: String(at) };
  });
  const window = newLogWindow(100);
  expect(lines.filter((line) => window.accept(line))).toHaveLength(5000);
  expect(lines.filter((line) => window.accept(line))).toEqual([]);
});

it('what lies before the tail that was asked for is not handed on later', () => {
  const line = (at: bigint): LogLine => ({ timeNanos: String(epoch + at), stream: 'STDOUT', text: 'x' });
  const window = newLogWindow();
  window.restart();
  expect(window.accept(line(50n))).toBe(true);
  window.restart();
  expect([line(10n), line(50n), line(60n)].map((one) => window.accept(one))).toEqual([false, false, true]);
});

it('the pieces in which the bytes come make no difference', () => {
  const text = fc.string({ unit: 'grapheme' }).map((one) => one.replaceAll('\n', ''));
  fc.assert(
    fc.property(
      fc.array(text),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      (texts, sizes) => {
        const bytes = Buffer.concat(texts.map((one) => frameOf(`2026-01-02T03:04:05.000000007Z ${one}\n`)));
        const reader = newLineReader();
        const lines: LogLine[] = [];
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1;
          lines.push(...reader.read(bytes.subarray(at, at + size)));
          at += size;
        }
        const timeNanos = '1767323045000000007';
        expect([...lines, ...reader.end()]).toEqual(
          texts.map((one) => ({ timeNanos, stream: 'STDOUT', text: one })),
        );
      },
    ),
  );
});

function frameOf(payload: string): Buffer {
  const content = Buffer.from(payload);
  const header = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(content.length, 4);
  return Buffer.concat([header, content]);
}
