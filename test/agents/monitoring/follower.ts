// Takes an agent's results by cursor like the control plane does, through all its deaths, and knows when something is
// missing, comes twice or out of order.
import { expect, vi } from 'vitest';
import type { MadeResult } from '../../../src/model/monitoring/agent.ts';
import { type AgentClient, type AgentPlace, openClient } from './client.ts';

export interface Follower {
  readonly results: readonly MadeResult[];
  readonly epoch: string | undefined;
  /** So many more than there are now, or it fails. */
  more(count: number): Promise<void>;
  /** The container got another address, or the process another port. */
  moveTo(place: AgentPlace): void;
  close(): Promise<void>;
}

export function follow(place: AgentPlace): Follower {
  const results: MadeResult[] = [];
  let epoch: string | undefined;
  let client: AgentClient = openClient(place);
  let going = true;
  async function takeOnce(): Promise<void> {
    const after = results.at(-1)?.seq;
    const taken = await client.take(
      epoch === undefined || after === undefined ? undefined : { epoch, after },
      1000,
    );
    epoch = taken.epoch;
    results.push(...taken.results);
  }
  const following = (async () => {
    // Who is dead is asked again until he lives.
    while (going) await takeOnce().catch(() => new Promise((resolve) => setTimeout(resolve, 20)));
  })();
  return {
    results,
    get epoch() {
      return epoch;
    },
    async more(count) {
      const wanted = results.length + count;
      await vi.waitFor(() => expect(results.length).toBeGreaterThanOrEqual(wanted), 30_000);
    },
    moveTo(other) {
      client.close();
      client = openClient(other);
    },
    async close() {
      going = false;
      client.close();
      await following;
    },
  };
}

/** From 1 without a hole, and no run of a check told twice. */
export function expectWhole(results: readonly MadeResult[]): void {
  expect(results.map(({ seq }) => seq)).toEqual(results.map((_, index) => index + 1));
  const runs = results.map(({ checkId, startedAt }) => `${checkId} ${startedAt}`);
  expect(new Set(runs).size).toBe(runs.length);
}
