// The counting of a load: what was asked, what failed and why, how long answers took, and for how long the service was away.
// Knows nothing of requests.

export interface Failure {
  readonly at: string;
  readonly kind: string;
  readonly why: string;
  readonly afterMs: number;
}

export interface Tally {
  readonly asked: number;
  readonly failed: number;
  /** The first hundred. */
  readonly failures: readonly Failure[];
  readonly byKind: Readonly<Record<string, { readonly asked: number; readonly failed: number }>>;
  /** From a request that failed to the next one sent that was answered, added up. Those that take long aren't in it. */
  readonly downMs: number;
  /** Of those that don't take long. */
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly longestMs: number;
  /** Sent. */
  readonly perSecond: number;
}

const kept = 100;

export interface Counting {
  /** Answers with what is to be called at its end, with the cause when it failed. */
  begin(kind: string, slow: boolean): (failure: string | undefined) => void;
  result(): Tally;
}

export function newTally(): Counting {
  const byKind: Record<string, { asked: number; failed: number }> = {};
  const failures: Failure[] = [];
  const durations: number[] = [];
  const sent: { readonly at: number; good: boolean }[] = [];
  let asked = 0;
  let failed = 0;
  return {
    begin(kind, slow) {
      const at = performance.now();
      const counts = byKind[kind] ?? { asked: 0, failed: 0 };
      byKind[kind] = counts;
      const mark = { at, good: true };
      if (!slow) sent.push(mark);
      asked += 1;
      counts.asked += 1;
      return (why) => {
        const tookMs = Math.round(performance.now() - at);
        if (!slow) durations.push(tookMs);
        if (why === undefined) return;
        mark.good = false;
        failed += 1;
        counts.failed += 1;
        const moment = new Date(performance.timeOrigin + at).toISOString();
        if (failures.length < kept) failures.push({ at: moment, kind, why, afterMs: tookMs });
      };
    },
    result: () => {
      const spanMs = (sent.at(-1)?.at ?? 0) - (sent[0]?.at ?? 0);
      const sorted = durations.toSorted((a, b) => a - b);
      const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
      return {
        ...{ asked, failed, failures, byKind },
        downMs: Math.round(downtime(sent)),
        ...{ medianMs: at(0.5), p99Ms: at(0.99), longestMs: at(1) },
        perSecond: Math.round(sent.length < 2 ? 0 : (asked * 1_000) / spanMs),
      };
    },
  };
}

/** In the order of sending. */
function downtime(sent: readonly { readonly at: number; readonly good: boolean }[]): number {
  let since: number | undefined;
  let total = 0;
  for (const { at, good } of sent) {
    if (!good) since ??= at;
    else if (since !== undefined) {
      total += at - since;
      since = undefined;
    }
  }
  return total + (since === undefined ? 0 : performance.now() - since);
}
