// Whether a follower of a log may have fallen behind. The engine's follow skips a whole file, without a word, when the log is
// rotated twice before it has read on (seen at 50 MB a second). So a follower in a hurry stops following and reads what is
// there, which has no such holes, until it has caught up. No I/O; the clock is passed in.

export interface LogPace {
  /** To be told of each piece that came: its size, and how much of it was new. True when it's time to stop following. */
  isBehind(pieceBytes: number, freshBytes: number, heldMs: number, nowMs: number): boolean;
}

/** New bytes above the calm rate after which a follower counts as behind: far less than a log file. */
export const hurryBytes = 256 * 1024;

/** At this rate it takes ten seconds to fill one file. */
const calmBytesPerMs = 1000;
/** Full pieces without a smaller one between mean that more waits in the sockets than they hold. */
const fullPieceBytes = 60 * 1024;
const fullPieces = 4;
/** A consumer that takes longer for one piece lets much be written meanwhile. */
const longHoldMs = 1000;

export function newLogPace(nowMs: number): LogPace {
  let level = 0;
  let full = 0;
  let last = nowMs;
  return {
    isBehind(pieceBytes, freshBytes, heldMs, nowMs) {
      if (freshBytes === 0) return false;
      level = Math.max(0, level - (nowMs - last) * calmBytesPerMs) + freshBytes;
      last = nowMs;
      full = pieceBytes < fullPieceBytes ? 0 : full + 1;
      return level > hurryBytes || full >= fullPieces || heldMs > longHoldMs;
    },
  };
}
