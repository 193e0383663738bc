// Checks that need the engine's eye or run inside a job: made by the control plane, by one replica for all, when they are
// due or asked for. All of a moment share their questions, and those of an environment one transaction. What waits for
// the engine holds up nothing else; of no check a run begins while another is under way.
import { platformCheckTypes } from '../checks/platform/index.ts';
import { judgeFacts } from '../checks/platform/judge.ts';
import type { PlatformNeed } from '../checks/platform/platform-type.ts';
import { waitForAny } from '../clock.ts';
import { dependedOnFirst } from '../model/monitoring/incident-rules.ts';
import { checkLimits, type NewResult } from '../model/monitoring/results.ts';
import { change } from '../postgres/change.ts';
import { markRunTaken, moveOn } from '../postgres/checks.ts';
import { hasDuty, takeDuty } from '../postgres/duties.ts';
import { type CheckedService, listCheckedServicesDue } from '../postgres/monitors.ts';
import { recordResults } from '../postgres/record-results.ts';
import type { Deps } from './deps.ts';
import { fairLimit } from './fair-limit.ts';
import { gatherFacts } from './platform-facts.ts';
import { leaveUnchecked } from './unchecked.ts';

const lookEveryMs = checkLimits.platformIntervalSeconds.minimum * 1_000;
const mostAtOnce = 500;
const types = [...platformCheckTypes.keys()];
const commands = fairLimit(4, 16);

export async function watchServices(
  deps: Deps,
  asked: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const running = new Set<string>();
  while (!signal.aborted) {
    const wakened = asked();
    try {
      if (await takeDuty(deps.store, deps.replica, 'CHECKS')) {
        // One that ends while the list is read may stand in it as due.
        const before = new Set(running);
        const due = await listCheckedServicesDue(deps.store.db, types, mostAtOnce + before.size);
        await begin(
          deps,
          due.filter(({ check }) => !before.has(check.id)),
          running,
          signal,
        );
      }
    } catch (error) {
      if (!signal.aborted) deps.logger.error({ err: error }, 'the watch on services failed; it goes on');
    }
    await waitForAny([wakened], lookEveryMs, signal, deps.clock);
  }
}

/** Returns when all is made but what waits for the engine. */
async function begin(
  deps: Deps,
  due: readonly CheckedService[],
  running: Set<string>,
  signal: AbortSignal,
): Promise<void> {
  const made = due.filter(({ active, check }) => active || check.runRequestedAt !== null);
  const needing = (need: PlatformNeed) => made.filter((each) => needs(each, need));
  const aside = [...needing('COMMAND').map((each) => [each]), needing('VOLUME'), needing('MEMORY')];
  const waiting = new Set(aside.flat());
  for (const group of aside) {
    for (const { check } of group) running.add(check.id);
    void inTurn(group, () => (signal.aborted ? undefined : makeChecks(deps, group)))
      .catch((error: unknown) => {
        if (!signal.aborted)
          deps.logger.warn({ err: error }, 'checks could not be made; they are tried again');
      })
      .finally(() => {
        for (const { check } of group) running.delete(check.id);
      });
  }
  await leaveIdle(
    deps,
    due.filter((each) => !made.includes(each)),
  );
  await makeChecks(
    deps,
    made.filter((each) => !waiting.has(each)),
  );
}

async function leaveIdle(deps: Deps, idle: readonly CheckedService[]): Promise<void> {
  for (const [environmentId, group] of byEnvironment(idle)) {
    const checks = group.map(({ check }) => check);
    await change(deps, async (current) => {
      if (!(await hasDuty(current.tx, deps.replica, 'CHECKS'))) return;
      await leaveUnchecked(current, environmentId, checks);
      await moveOn(
        current.tx,
        checks.map(({ id }) => id),
      );
    });
  }
}

/** Commands are of other people's making: only so many at once. */
async function inTurn(
  group: readonly CheckedService[],
  make: () => Promise<void> | undefined,
): Promise<void> {
  const command = group.find((each) => needs(each, 'COMMAND'));
  if (command === undefined) return make();
  await commands.run(command.check.environmentId, async () => make());
}

function needs({ check }: CheckedService, need: PlatformNeed): boolean {
  return platformCheckTypes.get(check.type)?.needs.includes(need) === true;
}

/** Makes them now and keeps what was seen. */
async function makeChecks(deps: Deps, asked: readonly CheckedService[]): Promise<void> {
  if (asked.length === 0) return;
  const startedAt = deps.clock.date();
  const from = deps.clock.now();
  const seen = await gatherFacts(deps, asked);
  const durationMs = deps.clock.now() - from;
  for (const [environmentId, group] of byEnvironment(asked)) {
    const results = dependedOnFirst(group.map(({ check }) => check)).flatMap((check): NewResult[] => {
      const found = seen.get(check.id);
      if (found === undefined) return [];
      const { type, settings, thresholds } = check;
      const observed =
        'instead' in found ? found.instead : judgeFacts(type, found.facts, settings, thresholds);
      return [{ ...observed, checkId: check.id, startedAt, durationMs, source: 'CONTROL_PLANE' }];
    });
    await change(deps, async (current) => {
      if (!(await hasDuty(current.tx, deps.replica, 'CHECKS'))) return;
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
