// Logs: every line once, in order, both streams told apart, bounded in length, and no end before the container's.
import { describe, expect, it } from 'vitest';
import { readAll, runToEnd, specOf, type World } from './world.ts';

export function logContract(world: () => World): void {
  describe('logs', () => {
    it('tells the streams apart and keeps text as it is', async () => {
      const view = await runToEnd(
        world(),
        'echo "größe  €"; sleep 0.1; echo "  wrong" >&2; sleep 0.1; echo; printf unended',
      );
      const lines = await readAll(world(), view.name);
      expect(lines.map((line) => [line.stream, line.text])).toEqual([
        ['STDOUT', 'größe  €'],
        ['STDERR', '  wrong'],
        ['STDOUT', ''],
        ['STDOUT', 'unended'],
      ]);
      expect(lines.map((line) => line.timeNanos)).toEqual(lines.map((line) => line.timeNanos).toSorted());
      expect(Math.abs(Number(lines[0]?.timeNanos) / 1e6 - Date.now())).toBeLessThan(60_000);
    });

    it('followed from the start to the end, thousands of lines come once each and in order', async () => {
      const spec = specOf(world(), 'seq 1 20000; sleep 1; seq 20001 25000');
      await world().runtime.startContainer(spec);
      const lines = await readAll(world(), spec.name, { follow: true });
      expect(lines.map((line) => line.text)).toEqual(
        Array.from({ length: 25_000 }, (_, index) => String(index + 1)),
      );
    });

    it('equal lines are not taken for repeats', async () => {
      const view = await runToEnd(world(), 'yes same | head -n 5000');
      expect(await readAll(world(), view.name, { follow: true })).toHaveLength(5_000);
      expect(await readAll(world(), view.name)).toHaveLength(5_000);
    });

    it('cuts a line after 16 KiB and says so, and leaves those up to it whole', async () => {
      const line = (length: number) => `head -c ${length} /dev/zero | tr "\\0" x; echo;`;
      const view = await runToEnd(
        world(),
        `${line(16_383)} ${line(16_384)} ${line(16_385)} ${line(50_000)} echo after`,
      );
      const texts = (await readAll(world(), view.name)).map((one) => one.text);
      const full = 'x'.repeat(16_384);
      expect(texts).toEqual([full.slice(1), full, `${full} … [cut]`, `${full} … [cut]`, 'after']);
    });

    it('a long line that comes slowly comes once, when it has ended', async () => {
      const slow = 'head -c 20000 /dev/zero | tr "\\0" x; sleep 2; echo y; echo after';
      const spec = specOf(world(), slow);
      await world().runtime.startContainer(spec);
      const texts = (await readAll(world(), spec.name, { follow: true })).map((one) => one.text);
      expect(texts).toEqual([`${'x'.repeat(16_384)} … [cut]`, 'after']);
    });

    it('begins with the tail, or at a time', async () => {
      const view = await runToEnd(world(), 'for i in 1 2 3 4 5 6; do echo $i; sleep 0.05; done');
      const texts = async (options: object) =>
        (await readAll(world(), view.name, options)).map((line) => line.text);
      expect(await texts({ tail: 2 })).toEqual(['5', '6']);
      expect(await texts({ tail: 2, follow: true })).toEqual(['5', '6']);
      const all = await readAll(world(), view.name);
      expect(await texts({ sinceNanos: all[3]?.timeNanos })).toEqual(['4', '5', '6']);
      expect(await texts({ sinceNanos: all[3]?.timeNanos, follow: true })).toEqual(['4', '5', '6']);
    });
    endContract(world);
  });
}

function endContract(world: () => World): void {
  it('ends promptly when the signal fires in silence', async () => {
    const spec = specOf(world(), 'echo one; sleep 60');
    await world().runtime.startContainer(spec);
    const stop = new AbortController();
    const lines: string[] = [];
    let stoppedAt = 0;
    for await (const line of world().runtime.readLogs(spec.name, { follow: true, signal: stop.signal })) {
      lines.push(line.text);
      setTimeout(() => {
        stoppedAt = performance.now();
        stop.abort();
      }, 200);
    }
    expect(lines).toEqual(['one']);
    expect(performance.now() - stoppedAt).toBeLessThan(2_000);
  });

  it('a reader that leaves after the first line is free at once', async () => {
    const spec = specOf(world(), 'yes');
    await world().runtime.startContainer(spec);
    const signal = AbortSignal.timeout(20_000);
    for await (const line of world().runtime.readLogs(spec.name, { follow: true, signal })) {
      expect(line.text).toBe('y');
      break;
    }
    await world().runtime.removeContainer(spec.name, world().installation);
    expect(signal.aborted).toBe(false);
  });
}
