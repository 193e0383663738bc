// Checks that somebody wants to be run now, but for those by the engine's eye. An environment's monitor is told; where there is
// none, the control plane makes the check itself, from outside the container.
import { platformCheckTypes } from '../checks/platform/index.ts';
import { runCheck } from '../checks/run.ts';
import { change } from '../postgres/change.ts';
import { listRunRequests, markRunTaken } from '../postgres/checks.ts';
import { hasDuty } from '../postgres/duties.ts';
import { findRunningAddress } from '../postgres/jobs.ts';
import { type CheckedService, listCheckedServicesById } from '../postgres/monitors.ts';
import { recordResults } from '../postgres/record-results.ts';
import type { Deps } from './deps.ts';
import { fairLimit } from './fair-limit.ts';
import type { MonitorClient } from './monitor-client.ts';
import { configuredChecks, isMonitors } from './monitor-configuration.ts';

const limits = fairLimit(3, 10);
const running = new Set<string>();
/** After that the answer is a result that says why there is none. */
const patienceMs = 20_000;

/** Says whether any is still waiting. */
export async function answerRunRequests(
  deps: Deps,
  clientOf: (environmentId: string) => MonitorClient | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const requests = await listRunRequests(deps.store.db, [...platformCheckTypes.keys()], [...running]);
  if (requests.length === 0) return running.size > 0;
  const asked = await listCheckedServicesById(
    deps.store.db,
    requests.map(({ id }) => id),
  );
  for (const each of asked) {
    const { id } = each.check;
    if (running.has(id)) continue;
    running.add(id);
    void limits
      .run(each.check.environmentId, () => answer(deps, each, clientOf(each.check.environmentId), signal))
      .catch((error: unknown) =>
        deps.logger.warn({ err: error, checkId: id }, 'a check could not be run now'),
      )
      .finally(() => running.delete(id));
  }
  return true;
}

async function answer(
  deps: Deps,
  asked: CheckedService,
  client: MonitorClient | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { check } = asked;
  if (signal.aborted || check.runRequestedAt === null) return;
  const waited = deps.clock.date().getTime() - check.runRequestedAt.getTime();
  if (isMonitors(asked) && client !== undefined && (await client.run(check.id))) {
    await markRunTaken(deps.store.db, check.id, check.runRequestedAt);
    return;
  }
  // Its monitor doesn't know it yet, or isn't there yet.
  if (asked.monitored && waited < patienceMs) return;
  await runHere(deps, asked);
}

async function runHere(deps: Deps, asked: CheckedService): Promise<void> {
  const { check, label } = asked;
  const startedAt = deps.clock.date();
  const address = await findRunningAddress(deps.store.db, check.serviceId);
  const [configured] = await configuredChecks(deps, [asked]);
  if (configured === undefined) return;
  const { type, target, settings, thresholds, timeoutSeconds } = configured;
  const seen =
    address === undefined
      ? { state: 'CRITICAL' as const, output: `No job of ${label} runs.`, metrics: [], durationMs: 0 }
      : await runCheck(type, { ...target, host: address }, settings, thresholds, timeoutSeconds * 1_000);
  await change(deps, async (current) => {
    if (!(await hasDuty(current.tx, deps.replica, 'MONITORING'))) return;
    await recordResults(current, check.environmentId, [
      { ...seen, checkId: check.id, startedAt, source: 'CONTROL_PLANE' },
    ]);
    if (check.runRequestedAt !== null) await markRunTaken(current.tx, check.id, check.runRequestedAt);
  });
}
