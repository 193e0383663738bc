// What one contestant in the benchmark of redeploys under load is, and how each is measured: the same application, the same
// limits, the same load, as many redeploys one after another.
import { type Load, startLoad } from '../load/load.ts';
import type { LoadOptions, LoadResult } from '../load/load-main.ts';
import { median } from './support.ts';

export interface Images {
  readonly app: string;
  readonly haproxy: string;
}

export interface Contestant {
  readonly name: string;
  readonly way: LoadOptions;
  /** Words that run the load where the way begins. */
  readonly within: readonly string[];
  /** Until the new containers serve and the old ones have ended. */
  redeploy(): Promise<void>;
  close(): Promise<void>;
}

export const limits = { memoryBytes: 128 * 1024 * 1024, cpuMillis: 1_000 } as const;
export const patienceMs = 120_000;

/** The application finishes its answers when it is told to stop; abrupt: it ends at once, as many do. */
export function appWords(abrupt: boolean): readonly string[] {
  return abrupt ? ['env', 'LEAVE=at-once', 'node', '/app.ts'] : ['node', '/app.ts'];
}

export interface Measured {
  readonly load: LoadResult;
  readonly seconds: readonly number[];
}

export async function measure(contestant: Contestant, redeploys: number): Promise<Measured> {
  const load: Load = startLoad(contestant.way, contestant.within);
  const seconds: number[] = [];
  try {
    for (let round = 0; round < redeploys; round++) {
      const begun = performance.now();
      await contestant.redeploy();
      seconds.push((performance.now() - begun) / 1_000);
    }
  } finally {
    await load.end();
  }
  return { load: await load.end(), seconds };
}

export function sentence(name: string, { load, seconds }: Measured): string {
  const { requests, socket, events } = load;
  const streams = socket.failures.length + events.failures.length;
  const down = requests.downMs / seconds.length;
  return [
    `  ${name}: failed ${requests.failed} of ${requests.asked} requests`,
    `${streams} of ${socket.opened + events.opened} streams broken off or refused`,
    `downtime ${down.toFixed(0)} ms a redeploy`,
    `${median(seconds).toFixed(1)} s a redeploy`,
    `answers ${requests.medianMs} ms (median), ${requests.p99Ms} ms (p99)`,
  ].join('; ');
}
