// The loops that make what is wanted so. They take no input: a nudge or the clock wakes them, they read, and do.

import { waitForAny } from '../clock.ts';
import {
  type Claim,
  claimServices,
  LeaseLost,
  releaseAfterFailure,
  releaseService,
  renewLeases,
} from '../postgres/replicas.ts';
import { attend, type Crowd } from './attend.ts';
import { openBells } from './bells.ts';
import { type BuildDeps, build, nextBuild } from './build.ts';
import { obtainCertificates } from './certificates.ts';
import { compareProxies } from './compare-proxies.ts';
import { type Deps, type Hold, type Lease, leaseFrom } from './deps.ts';
import { keepEdge } from './edge.ts';
import { comparePeriodically, watchEngine } from './engine-watch.ts';
import { watchHealth } from './health-watch.ts';
import { finishDeletions, pruneHistory } from './housekeeping.ts';
import { watchMonitors } from './monitor.ts';
import { watchServices } from './platform-checks.ts';
import { sendWebhooks } from './webhooks.ts';

/** Those that only wait until their jobs are healthy don't count, for that can take an hour. */
const mostAttended = 16;
const mostHeld = 100;
const mostBuilds = 2;
const pollMs = 1_000;
const renewMs = 5_000;
const rouseMs = 60_000;
const deletionsMs = 5_000;
const historyMs = 600_000;

export interface Orchestrator {
  close(): Promise<void>;
  /** To be called when the replica's sign of life was lost: all work under its leases ends at once. */
  dropLeases(): void;
}

interface Attending {
  readonly claim: Claim;
  readonly lease: Lease;
  readonly stop: AbortController;
  readonly done: Promise<void>;
  waiting: boolean;
}

export function startOrchestrator(deps: BuildDeps): Orchestrator {
  const closing = new AbortController();
  const attending = new Map<string, Attending>();
  const builds = new Map<string, Promise<void>>();
  const bells = openBells(deps.nudges);
  const asked = bells.asked('due');
  const rouse = () => bells.ring('due');

  async function takeServices(): Promise<void> {
    for (let most = places(); most > 0 && !closing.signal.aborted; most = places()) {
      const askedAt = deps.clock.now();
      const claims = await claimServices(deps.store, deps.replica, [...attending.keys()], most);
      for (const claim of claims) attendTo(claim, leaseFrom(askedAt));
      if (claims.length < most) return;
    }
  }
  function attendTo(claim: Claim, lease: Lease): void {
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, closing.signal]);
    const crowd: Crowd = {
      waits: (waiting) => {
        if (held.waiting === waiting) return;
        const wasFull = places() === 0;
        held.waiting = waiting;
        if (wasFull && places() > 0) rouse();
      },
      isDense: () => attending.size > mostAttended,
    };
    const done = attendOnce({ deps, claim, signal, lease }, asked, crowd).finally(() => {
      attending.delete(claim.serviceId);
      // Something may have been asked for between its last look and its release.
      rouse();
    });
    const held: Attending = { claim, lease, stop, done, waiting: false };
    attending.set(claim.serviceId, held);
  }
  /** How many more can be attended to. */
  function places(): number {
    const busy = [...attending.values()].filter(({ waiting }) => !waiting).length;
    return Math.max(0, Math.min(mostAttended - busy, mostHeld - attending.size));
  }
  async function takeBuilds(): Promise<void> {
    while (builds.size < mostBuilds && !closing.signal.aborted) {
      const job = await nextBuild(deps, new Set(builds.keys()));
      if (job === undefined) return;
      const done = build(deps, job, closing.signal)
        .catch((error: unknown) =>
          deps.logger.error({ err: error, jobId: job.id }, 'a build stopped; it is tried again'),
        )
        .then(() => deps.clock.sleep(250))
        .then(() => void builds.delete(job.id));
      builds.set(job.id, done);
    }
  }
  async function renew(): Promise<void> {
    const asked = [...attending.values()];
    const { until } = leaseFrom(deps.clock.now());
    const held = await renewLeases(
      deps.store,
      deps.replica,
      asked.map(({ claim }) => claim),
    );
    for (const { claim, lease, stop } of asked)
      if (held.has(claim.serviceId)) lease.until = until;
      else stop.abort();
  }

  const compareMs = deps.settings.compareSeconds * 1_000;
  const loops = [
    // Whoever waits leaves a trace on the promise it waits for: none may stand for long.
    every(deps, closing.signal, rouseMs, undefined, async () => bells.ringAll()),
    every(deps, closing.signal, pollMs, asked, takeServices),
    every(deps, closing.signal, pollMs, bells.asked('builds'), takeBuilds),
    every(deps, closing.signal, renewMs, undefined, renew),
    every(deps, closing.signal, deletionsMs, bells.asked('deletions'), () => finishDeletions(deps)),
    every(deps, closing.signal, historyMs, undefined, () => pruneHistory(deps)),
    watchEngine(deps, closing.signal),
    comparePeriodically(deps, closing.signal),
    every(deps, closing.signal, compareMs, undefined, () => compareProxies(deps, closing.signal)),
    watchHealth(deps, closing.signal),
    watchMonitors(deps, bells.asked('checks'), closing.signal),
    watchServices(deps, bells.asked('checks'), closing.signal),
    sendWebhooks(deps, bells, closing.signal),
    keepEdge(deps, asked, closing.signal),
    obtainCertificates(deps, closing.signal),
  ];
  return {
    close: async () => {
      closing.abort();
      bells.close();
      await Promise.allSettled([
        ...loops,
        ...builds.values(),
        ...[...attending.values()].map(({ done }) => done),
      ]);
    },
    dropLeases: () => {
      for (const { stop } of attending.values()) stop.abort();
    },
  };
}

async function attendOnce(hold: Hold, asked: () => Promise<void>, crowd: Crowd): Promise<void> {
  const { deps, claim, signal } = hold;
  try {
    const { dueAt, seenAttention } = await attend(hold, asked, crowd);
    await releaseService(deps.store, deps.replica, claim, seenAttention, dueAt);
  } catch (error) {
    if (error instanceof LeaseLost) return;
    // Closing: given back as due, so that whoever comes next goes on at once.
    const released = signal.aborted
      ? releaseService(deps.store, deps.replica, claim, -1, null)
      : releaseAfterFailure(deps.store, deps.replica, claim);
    if (!signal.aborted)
      deps.logger.error({ err: error, serviceId: claim.serviceId }, 'attending to a service failed');
    await released.catch(() => {});
  }
}

/** Runs `work` when asked and at least every so often; a failure is logged and the next round tries again. */
async function every(
  deps: Deps,
  signal: AbortSignal,
  milliseconds: number,
  asked: (() => Promise<void>) | undefined,
  work: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    const wakened = asked?.();
    await work().catch((error: unknown) => {
      if (!signal.aborted) deps.logger.error({ err: error }, 'a loop failed; it goes on');
    });
    await waitForAny(wakened === undefined ? [] : [wakened], milliseconds, signal, deps.clock);
  }
}
