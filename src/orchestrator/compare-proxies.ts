// What running proxies show, compared now and then with what they were last told: by one replica for all, with one question
// to each proxy. One that has it otherwise (a foreign hand, a memory that is gone) counts as one that may have anything, and
// is told anew by who holds its service.
import limitTo from 'p-limit';
import { change } from '../postgres/change.ts';
import { takeDuty } from '../postgres/duties.ts';
import { listRunningProxies, markDoubtful, type RunningProxy } from '../postgres/rotation.ts';
import { markDue } from '../postgres/services.ts';
import { rotationCommands } from '../proxy/rotation.ts';
import type { Deps } from './deps.ts';
import { channelTo } from './sync-proxy.ts';

const mostAtOnce = 8;

export async function compareProxies(deps: Deps, signal: AbortSignal): Promise<void> {
  if (!(await takeDuty(deps.store, deps.replica, 'PROXIES'))) return;
  const proxies = await listRunningProxies(deps.store.db);
  const limit = limitTo(mostAtOnce);
  await Promise.all(proxies.map((proxy) => limit(() => compareProxy(deps, proxy, signal))));
}

async function compareProxy(deps: Deps, proxy: RunningProxy, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  try {
    const shown = await channelTo(deps, proxy).showRotation();
    const commands = rotationCommands(shown, proxy.applied, proxy.spec);
    // What only waits to be removed takes no requests, and is removed when next something changes.
    const strange = commands.filter((command) => command.kind !== 'REMOVE');
    if (strange.length > 0) await doubt(deps, proxy);
  } catch (error) {
    deps.logger.warn({ err: error, jobId: proxy.id }, 'a proxy could not be compared; it is asked again');
  }
}

/** Unless it was told something in the meantime. */
async function doubt(deps: Deps, { id, serviceId, applied }: RunningProxy): Promise<void> {
  await change(deps, async (current) => {
    const services = applied.services.map((each) => each.serviceId);
    if (!(await markDoubtful(current.tx, id, applied, services))) return;
    deps.logger.warn({ jobId: id }, 'a proxy has not what it was told; it is told again');
    await markDue(current.tx, [serviceId]);
    current.nudge('due');
  });
}
