// Waiting for jobs to finish what they have begun: the proxies say how many requests of a job are under way. One that has
// none on any proxy is out of rotation; its own service goes on with it then.
import { endDraining } from '../postgres/rotation.ts';
import { type Hold, type Outcome, perform } from './deps.ts';
import { askProxies } from './record-job.ts';
import type { Situation } from './situation.ts';
import { channelTo } from './sync-proxy.ts';

const pauseMs = { first: 20, longest: 1_000 };
/** After so long the situation is read anew. */
const patienceMs = 3_000;

export function watchDrain(hold: Hold, situation: Situation): Promise<Outcome> {
  const { environmentId } = situation.service;
  return perform(
    hold,
    'WATCH_DRAIN',
    () => findDone(hold, situation),
    async (change, done) => {
      if (done.length === 0) return undefined;
      await endDraining(change.tx, done);
      await askProxies(change, environmentId);
      return undefined;
    },
  );
}

async function findDone({ deps, signal }: Hold, { jobs, routed }: Situation): Promise<string[]> {
  const proxies = jobs.filter((job) => job.type === 'DEPLOY' && job.state === 'RUNNING');
  const draining = routed?.draining ?? [];
  const end = deps.clock.now() + patienceMs;
  for (let pause = pauseMs.first; ; pause = Math.min(pauseMs.longest, pause * 2)) {
    const sessions = await Promise.all(proxies.map((proxy) => channelTo(deps, proxy).sessions()));
    const done = draining.filter((id) => sessions.every((each) => (each.get(id) ?? 0) === 0));
    if (done.length > 0 || deps.clock.now() >= end) return done;
    await deps.clock.sleep(pause, signal);
  }
}
