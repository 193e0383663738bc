// Looks at the proxy every 100 ms, as it shows itself and not as the database says it is: how many healthy jobs take
// requests. A job counts when HAProxy has it ready and it was healthy by its row at the look before or just after this one.
import { setTimeout as sleep } from 'node:timers/promises';
import { and, eq } from 'drizzle-orm';
import { containerName } from '../../src/model/jobs.ts';
import { openControlKeys } from '../../src/orchestrator/control-keys.ts';
import { listJobsById, listJobsToCompare } from '../../src/postgres/jobs.ts';
import { jobs } from '../../src/postgres/tables/jobs.ts';
import { ports } from '../../src/proxy/layout.ts';
import { openRuntimeApi, type RuntimeApi } from '../../src/proxy/runtime-api.ts';
import type { LoadWorld } from './world.ts';

export interface RotationSamples {
  readonly samples: number;
  /** The fewest healthy jobs in rotation, of all samples. */
  readonly fewest: number;
  /** How often they were fewer than at the beginning, and what was seen then. */
  readonly low: readonly string[];
  /** Looks that the proxy did not answer. */
  readonly unanswered: number;
  /** The longest time from one sample to the next. */
  readonly longestPauseMs: number;
}

const everyMs = 100;

export async function sampleRotation(load: LoadWorld): Promise<{ end(): Promise<RotationSamples> }> {
  const { world, serviceId } = load;
  const { db } = world.control.store;
  const api = await channel(load);
  const healthyNow = async (): Promise<Set<string>> => {
    const rows = await db
      .select({ id: jobs.id })
      .from(jobs)
      .where(and(eq(jobs.serviceId, serviceId), eq(jobs.health, 'HEALTHY')));
    return new Set(rows.map((row) => row.id));
  };
  /** At the look before. */
  let before = await healthyNow();
  const wanted = before.size;
  let [samples, fewest, unanswered, longestPauseMs] = [0, Number.POSITIVE_INFINITY, 0, 0];
  const low: string[] = [];
  let running = true;
  async function look(): Promise<void> {
    const shown = await api.showRotation().catch(() => undefined);
    if (shown === undefined) {
      unanswered += 1;
      return;
    }
    const after = await healthyNow();
    const known = before;
    before = after;
    const servers = [...shown.servers.values()].flat();
    const ready = servers.filter(
      ({ name, state }) => state === 'READY' && (known.has(name) || after.has(name)),
    );
    samples += 1;
    fewest = Math.min(fewest, ready.length);
    if (ready.length < wanted)
      low.push(
        `${new Date().toISOString()} ${JSON.stringify({ servers, before: [...known], after: [...after] })}`,
      );
  }
  async function lookOn(): Promise<void> {
    for (let last = performance.now(); running; ) {
      await look();
      await sleep(Math.max(0, last + everyMs - performance.now()));
      longestPauseMs = Math.max(longestPauseMs, performance.now() - last);
      last = performance.now();
    }
  }
  const looking = lookOn();
  return {
    end: async () => {
      running = false;
      await looking;
      return { samples, fewest, low, unanswered, longestPauseMs: Math.round(longestPauseMs) };
    },
  };
}

/** To the environment's one proxy. */
async function channel({ world, proxyId }: LoadWorld): Promise<RuntimeApi> {
  const { store, vault } = world.control;
  const keys = await openControlKeys(store, vault);
  const running = (await listJobsToCompare(store.db)).filter((job) => job.serviceId === proxyId);
  const [job] = await listJobsById(
    store.db,
    running.map((each) => each.id),
  );
  if (job?.address == null) throw new Error('the proxy has no address');
  return openRuntimeApi({
    address: job.address,
    port: ports.control,
    serverName: containerName(job.id),
    authorityPem: keys.authority.certificate,
    clientCertificatePem: keys.client.chain,
    clientKeyPem: keys.client.privateKey,
  });
}
