// Checks that need the engine's eye or run inside a job: made by the control plane, by one replica for all, when they are
// due. All that are due at a moment share their questions, and those of an environment one transaction; commands take as
// long as they take, and hold up nothing else.
import limitTo from 'p-limit';
import { platformCheckTypes } from '../checks/platform/index.ts';
import { judgeFacts } from '../checks/platform/judge.ts';
import { checkLimits, type NewResult } from '../model/monitoring/results.ts';
import { change } from '../postgres/change.ts';
import { markRunTaken, moveOn } from '../postgres/checks.ts';
import { type Duty, hasDuty, takeDuty } from '../postgres/duties.ts';
import { type CheckedService, listCheckedServicesDue } from '../postgres/monitors.ts';
import { recordResults } from '../postgres/record-results.ts';
import type { Deps } from './deps.ts';
import { gatherFacts } from './platform-facts.ts';
import { leaveUnchecked } from './unchecked.ts';

const lookEveryMs = checkLimits.platformIntervalSeconds.minimum * 1_000;
const mostAtOnce = 500;
const commandsAtOnce = limitTo(16);

export async function watchServices(deps: Deps, signal: AbortSignal): Promise<void> {
  const running = new Set<string>();
  while (!signal.aborted) {
    try {
      if (await takeDuty(deps.store, deps.replica, 'CHECKS')) {
        const due = await listCheckedServicesDue(deps.store.db, mostAtOnce + running.size);
        await begin(
          deps,
          due.filter(({ check }) => !running.has(check.id)),
          running,
          signal,
        );
      }
    } catch (error) {
      if (!signal.aborted) deps.logger.error({ err: error }, 'the watch on services failed; it goes on');
    }
    await deps.clock.sleep(lookEveryMs, signal).catch(() => {});
  }
}

/** Returns when all is made but the commands. */
async function begin(
  deps: Deps,
  due: readonly CheckedService[],
  running: Set<string>,
  signal: AbortSignal,
): Promise<void> {
  const made = due.filter(({ active }) => active);
  const commands = made.filter(isCommand);
  for (const each of commands) {
    running.add(each.check.id);
    void commandsAtOnce(() => (signal.aborted ? undefined : makeChecks(deps, [each], 'CHECKS')))
      .catch((error: unknown) => warn(deps, error))
      .finally(() => running.delete(each.check.id));
  }
  const idle = due.filter(({ active }) => !active);
  for (const [environmentId, group] of byEnvironment(idle)) {
    await change(deps, async (current) => {
      if (!(await hasDuty(current.tx, deps.replica, 'CHECKS'))) return;
      await leaveUnchecked(
        current,
        environmentId,
        group.map(({ check }) => check),
      );
      await moveOn(
        current.tx,
        group.map(({ check }) => check.id),
      );
    });
  }
  await makeChecks(
    deps,
    made.filter((each) => !isCommand(each)),
    'CHECKS',
  );
}

export function isPlatforms({ check }: CheckedService): boolean {
  return platformCheckTypes.has(check.type);
}

function isCommand({ check }: CheckedService): boolean {
  return platformCheckTypes.get(check.type)?.needs.includes('COMMAND') === true;
}

/** Makes them now and keeps what was seen; `duty` is whose replica may. */
export async function makeChecks(deps: Deps, asked: readonly CheckedService[], duty: Duty): Promise<void> {
  if (asked.length === 0) return;
  const startedAt = deps.clock.date();
  const from = deps.clock.now();
  const seen = await gatherFacts(deps, asked);
  const durationMs = deps.clock.now() - from;
  for (const [environmentId, group] of byEnvironment(asked)) {
    const results = group.flatMap(({ check }): NewResult[] => {
      const found = seen.get(check.id);
      if (found === undefined) return [];
      const { type, settings, thresholds } = check;
      const observed =
        'instead' in found ? found.instead : judgeFacts(type, found.facts, settings, thresholds);
      return [{ ...observed, checkId: check.id, startedAt, durationMs, source: 'CONTROL_PLANE' }];
    });
    await change(deps, async (current) => {
      if (!(await hasDuty(current.tx, deps.replica, duty))) return;
      await recordResults(current, environmentId, results);
      await moveOn(
        current.tx,
        group.map(({ check }) => check.id),
      );
      for (const { check } of group)
        if (check.runRequestedAt !== null) await markRunTaken(current.tx, check.id, check.runRequestedAt);
    });
  }
}

function byEnvironment(asked: readonly CheckedService[]): Map<string, CheckedService[]> {
  return Map.groupBy(asked, ({ check }) => check.environmentId);
}

function warn(deps: Deps, error: unknown): void {
  deps.logger.warn({ err: error }, 'a command could not be run inside a job; it is tried again');
}
