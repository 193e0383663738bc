// Takes the engine's framed bytes of two streams apart. No I/O.
import type { LogLine } from './runtime.ts';

/** More than any frame the engine writes; a larger one means that these aren't frames. */
const largestFrame = 8 * 1024 * 1024;
const headerBytes = 8;

export interface FrameReader {
  /** Hands on the frames that these bytes complete; half a frame is kept. */
  read(chunk: Buffer): void;
}

/** What is handed on is a view of the chunk: whoever keeps it copies it. */
export function newFrameReader(onFrame: (stream: LogLine['stream'], payload: Buffer) => void): FrameReader {
  let rest: Buffer = Buffer.alloc(0);
  return {
    read(chunk) {
      let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      while (bytes.length >= headerBytes) {
        const length = bytes.readUInt32BE(4);
        if (length > largestFrame) throw new Error('the output is not in frames');
        if (bytes.length < headerBytes + length) break;
        const payload = bytes.subarray(headerBytes, headerBytes + length);
        onFrame(bytes[0] === 2 ? 'STDERR' : 'STDOUT', payload);
        bytes = bytes.subarray(headerBytes + length);
      }
      rest = bytes;
    },
  };
}
