// Which lines of a container's log have been handed on already. The engine repeats lines when it is asked again from a
// little earlier, and also by itself after it has rotated its files; so each line has a key of stream, time and content,
// with an ordinal for equal ones. Only the recent keys of each stream are kept, whose times only grow: what is older than
// all of them counts as handed on. (So a clock that is set back by more than the window hides lines until it has caught up.)
// No I/O.
import { hash } from 'node:crypto';
import type { LogLine } from './runtime.ts';

export interface LogWindow {
  /** To be told before the log is read again. */
  restart(): void;
  /** True when the line hasn't been handed on yet; it counts as handed on from then. */
  accept(line: LogLine): boolean;
  /** From where the log must be read so that nothing is missed; undefined when nothing has been handed on. */
  resumeNanos(): string | undefined;
}

const overlapNanos = 2_000_000_000n;
const keptNanos = 5_000_000_000n;

export function newLogWindow(mostKeys = 20_000): LogWindow {
  const streams = { STDOUT: newStreamWindow(mostKeys), STDERR: newStreamWindow(mostKeys) };
  let oldest: bigint | undefined;
  let newest = 0n;
  let again = false;
  return {
    restart() {
      again = oldest !== undefined;
      streams.STDOUT.restart();
      streams.STDERR.restart();
    },
    accept(line) {
      const time = BigInt(line.timeNanos);
      // Earlier than all that the first reading gave: it was asked for the log's tail, and this lies before it.
      if (again && oldest !== undefined && time < oldest) return false;
      if (!streams[line.stream].accept(time, hash('md5', line.text, 'base64'))) return false;
      if (oldest === undefined || time < oldest) oldest = time;
      if (time > newest) newest = time;
      return true;
    },
    resumeNanos() {
      if (oldest === undefined) return undefined;
      const earlier = newest - overlapNanos;
      return String(earlier > oldest ? earlier : oldest);
    },
  };
}

function newStreamWindow(mostKeys: number) {
  /** Key to time, in the order of the log. */
  const keys = new Map<string, bigint>();
  let newest = 0n;
  /** Lines up to this time have been handed on and are no longer known one by one. */
  let forgotten = 0n;
  let forgetAt = 0n;
  let ordinalTime = -1n;
  const ordinals = new Map<string, number>();

  /** Equal lines of one time follow each other, and each reading counts them anew. */
  function ordinalOf(time: bigint, content: string): number {
    if (time !== ordinalTime) ordinals.clear();
    ordinalTime = time;
    const ordinal = (ordinals.get(content) ?? 0) + 1;
    ordinals.set(content, ordinal);
    return ordinal;
  }

  /** By a second or by half a window at a time: taking single keys from the front of a large map is slow. */
  function forget(): void {
    if (keys.size <= mostKeys * 1.5 && newest < forgetAt) return;
    forgetAt = newest + 1_000_000_000n;
    for (const [key, time] of keys) {
      if (keys.size <= mostKeys && time >= newest - keptNanos) return;
      keys.delete(key);
      if (time > forgotten) forgotten = time;
    }
  }

  return {
    restart() {
      ordinalTime = -1n;
    },
    accept(time: bigint, content: string): boolean {
      const key = `${time} ${content} ${ordinalOf(time, content)}`;
      if (time <= forgotten || keys.has(key)) return false;
      keys.set(key, time);
      if (time > newest) newest = time;
      forget();
      return true;
    },
  };
}
