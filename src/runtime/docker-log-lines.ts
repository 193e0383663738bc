// From the engine's framed log bytes to lines: reads each line's time, and cuts what is too long. The engine hands lines over
// 16 KiB on in parts of one time stamp, each but the last without a line end. No I/O.
import { StringDecoder } from 'node:string_decoder';
import { newFrameReader } from './docker-frames.ts';
import type { LogLine } from './runtime.ts';

export const longestLineBytes = 16 * 1024;
export const cutMark = ' … [cut]';

const newline = 0x0a;

/** A line whose end may still be to come. */
interface OpenLine {
  readonly timeNanos: string;
  readonly content: Buffer;
  readonly cut: boolean;
}

export interface LineReader {
  /** The lines that these bytes complete. */
  read(chunk: Buffer): LogLine[];
  /** The time of the eldest line whose end is still to come. */
  openSince(): string | undefined;
  /** What is left when the log has ended: last lines without a line end. Half a frame is no line. */
  end(): LogLine[];
}

export function newLineReader(): LineReader {
  const open = new Map<LogLine['stream'], OpenLine>();
  const timeOf = newTimeReader();

  function* frame(stream: LogLine['stream'], payload: Buffer): Generator<LogLine> {
    const space = payload.indexOf(0x20);
    const timeNanos = timeOf(payload.toString('latin1', 0, space));
    const ended = payload.at(-1) === newline;
    const content = payload.subarray(space + 1, ended ? -1 : undefined);
    const begun = open.get(stream);
    open.delete(stream);
    if (begun?.timeNanos === timeNanos) {
      const line = { ...begun, cut: begun.cut || content.length > 0 };
      // An empty part without a line end is the last one of a line that filled its parts exactly.
      if (ended || content.length === 0) yield closed(stream, line);
      else open.set(stream, line);
      return;
    }
    if (begun) yield closed(stream, begun);
    const kept = content.subarray(0, longestLineBytes);
    const line = { timeNanos, content: kept, cut: content.length > kept.length };
    if (ended) yield closed(stream, line);
    // A copy, so that a waiting line doesn't hold on to the whole chunk.
    else open.set(stream, { ...line, content: Buffer.from(kept) });
  }

  let complete: LogLine[] = [];
  const frames = newFrameReader((stream, payload) => complete.push(...frame(stream, payload)));

  return {
    read(chunk) {
      complete = [];
      frames.read(chunk);
      return complete;
    },
    openSince: () => [...open.values()].map((line) => line.timeNanos).toSorted()[0],
    end() {
      const lines = [...open].map(([stream, line]) => closed(stream, line));
      open.clear();
      return lines;
    },
  };
}

function closed(stream: LogLine['stream'], line: OpenLine): LogLine {
  if (!line.cut) return { timeNanos: line.timeNanos, stream, text: line.content.toString('utf8') };
  // The decoder keeps back a character that the cut has split.
  const text = new StringDecoder('utf8').write(line.content) + cutMark;
  return { timeNanos: line.timeNanos, stream, text };
}

/** `2026-01-02T03:04:05.123456789Z` to nanoseconds since the epoch; remembers the second, which mostly stays. */
function newTimeReader(): (text: string) => string {
  let knownText = '';
  let knownSeconds = '';
  return (text) => {
    const secondText = text.slice(0, 19);
    if (secondText !== knownText) {
      const milliseconds = Date.parse(`${secondText}Z`);
      if (Number.isNaN(milliseconds)) throw new Error('a log line without a time');
      knownText = secondText;
      knownSeconds = String(milliseconds / 1000);
    }
    return knownSeconds + text.slice(20, -1).padEnd(9, '0');
  };
}

/** Nanoseconds since the epoch as the engine wants a time: seconds with nine decimals. */
export function engineTime(nanos: string): string {
  return `${nanos.slice(0, -9) || '0'}.${nanos.slice(-9).padStart(9, '0')}`;
}
