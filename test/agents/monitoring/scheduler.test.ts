// What checks may rely on: they run at their turns and as often as they should, never twice at a time, whatever others do,
// however long a run takes and whatever is configured meanwhile. On a clock of the test's own.
import { getEventListeners } from 'node:events';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { type NewResult, openScheduler, type RunCheck } from '../../../src/agents/monitoring/scheduler.ts';
import { dueAt, rhythmOf, turnAfter } from '../../../src/agents/monitoring/turns.ts';
import type { ConfiguredCheck } from '../../../src/model/monitoring/agent.ts';
import { type FakeClock, newFakeClock } from './fake-clock.ts';

const start = Date.UTC(2030, 0, 1);
const fine = { state: 'OK', output: 'Fine.', metrics: [] } as const;

function checkOf(id: string, change: Partial<ConfiguredCheck> = {}): ConfiguredCheck {
  const target = { host: 'web', port: 80 };
  const standard = {
    type: 'TCP',
    target,
    settings: {},
    thresholds: [],
    intervalSeconds: 10,
    timeoutSeconds: 5,
  };
  return { id, ...standard, ...change };
}

interface Run {
  readonly id: string;
  readonly at: number;
}

/** A world in which looks take as long as they are told, in the clock's milliseconds, and heed their signal. */
function newWorld(durationOf: (check: ConfiguredCheck) => number, mostAtOnce = 64) {
  const clock = newFakeClock(start);
  const runs: Run[] = [];
  const results: NewResult[] = [];
  const going = new Map<string, number>();
  let mostGoing = 0;
  const run: RunCheck = async (check, signal) => {
    runs.push({ id: check.id, at: clock.now() });
    going.set(check.id, (going.get(check.id) ?? 0) + 1);
    expect(going.get(check.id)).toBe(1);
    mostGoing = Math.max(
      mostGoing,
      [...going.values()].reduce((a, b) => a + b),
    );
    await lasting(clock, durationOf(check), signal);
    going.set(check.id, 0);
    return signal.aborted ? { state: 'CRITICAL', output: 'Too late.', metrics: [] } : fine;
  };
  const scheduler = openScheduler({ clock, run, made: (result) => results.push(result), mostAtOnce });
  return { clock, runs, results, scheduler, mostGoing: () => mostGoing };
}

function lasting(clock: FakeClock, milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (milliseconds === 0) return resolve();
    const callOff = clock.wakeAt(clock.now() + milliseconds, resolve);
    signal.addEventListener('abort', () => {
      callOff();
      resolve();
    });
  });
}

const runsOf = (runs: readonly Run[], id: string): number[] =>
  runs.filter((run) => run.id === id).map(({ at }) => at);

test('every check runs once at each of its turns for hours, and no turn drifts', async () => {
  const ids = fc.uniqueArray(fc.uuid(), { minLength: 1, maxLength: 6 });
  const property = fc.asyncProperty(ids, fc.integer({ min: 1, max: 90 }), async (given, intervalSeconds) => {
    const { clock, runs, scheduler } = newWorld(() => 30);
    scheduler.configure(given.map((id) => checkOf(id, { intervalSeconds })));
    const rounds = 200;
    const intervalMs = intervalSeconds * 1000;
    await clock.goTo(start + rounds * intervalMs);
    for (const id of given) {
      const times = runsOf(runs, id);
      expect(Math.abs(times.length - rounds)).toBeLessThanOrEqual(1);
      const { phaseMs } = rhythmOf(id, intervalMs);
      const first = turnAfter(rhythmOf(id, intervalMs), start);
      times.forEach((at, index) => {
        const planned = phaseMs + (first + index) * intervalMs;
        expect(at - planned).toBeGreaterThanOrEqual(-1);
        expect(at - planned).toBeLessThanOrEqual(0.04 * intervalMs + 1);
      });
    }
  });
  await fc.assert(property, { numRuns: 15 });
});

test('a run leaves nothing behind on what lasts as long as its check', async () => {
  const heard = new Set<AbortSignal>();
  const listen = EventTarget.prototype.addEventListener;
  const spy = vi.spyOn(EventTarget.prototype, 'addEventListener').mockImplementation(function (
    this: EventTarget,
    ...args
  ) {
    if (this instanceof AbortSignal) heard.add(this);
    return listen.apply(this, args);
  });
  try {
    const { clock, runs, scheduler } = newWorld(() => 30);
    scheduler.configure([checkOf('a', { intervalSeconds: 1 })]);
    await clock.goTo(start + 100_000);
    expect(runs.length).toBeGreaterThan(90);
    expect(Math.max(...[...heard].map((signal) => getEventListeners(signal, 'abort').length))).toBeLessThan(
      3,
    );
  } finally {
    spy.mockRestore();
  }
});

test('whatever runs take, no check runs twice at a time and each goes on at its next free turn', async () => {
  const durations = fc.array(fc.integer({ min: 0, max: 40_000 }), { minLength: 3, maxLength: 30 });
  const property = fc.asyncProperty(durations, async (given) => {
    const taken = new Map<string, number>();
    const { clock, runs, scheduler } = newWorld(({ id }) => {
      const turn = taken.get(id) ?? 0;
      taken.set(id, turn + 1);
      return given[turn % given.length] ?? 0;
    });
    scheduler.configure(['a', 'b'].map((id) => checkOf(id, { timeoutSeconds: 30 })));
    await clock.goTo(start + 600_000);
    for (const id of ['a', 'b']) {
      const times = runsOf(runs, id);
      times.slice(1).forEach((at, index) => {
        const before = times[index] ?? 0;
        const lasted = Math.min(given[index % given.length] ?? 0, 30_000);
        const rhythm = rhythmOf(id, 10_000);
        let turn = turnAfter(rhythm, before);
        while (dueAt(rhythm, turn) < before + lasted) turn++;
        // At the very moment of a turn either order is right.
        expect([turn, turn + 1].map((each) => Math.round(dueAt(rhythm, each)))).toContain(Math.round(at));
      });
    }
  });
  await fc.assert(property, { numRuns: 25 });
});

test('a thousand checks of one interval are spread over it', async () => {
  const { clock, runs, scheduler } = newWorld(() => 0);
  scheduler.configure(Array.from({ length: 1000 }, (_, n) => checkOf(`check-${n}`)));
  await clock.goTo(start + 20_000);
  const perSecond = Array.from({ length: 10 }, (_, second) => {
    const from = start + 10_000 + second * 1000;
    return runs.filter(({ at }) => at >= from && at < from + 1000).length;
  });
  expect(Math.min(...perSecond)).toBeGreaterThan(60);
  expect(Math.max(...perSecond)).toBeLessThan(140);
});

test('no more run at a time than may, and those who waited still run', async () => {
  const world = newWorld(() => 1000, 5);
  world.scheduler.configure(Array.from({ length: 40 }, (_, n) => checkOf(`check-${n}`)));
  await world.clock.goTo(start + 60_000);
  expect(world.mostGoing()).toBe(5);
  expect(new Set(world.runs.map(({ id }) => id)).size).toBe(40);
});

test('a look is told when its time is up; one that does not listen is given up as UNKNOWN and runs again later', async () => {
  const { clock, results, scheduler } = newWorld(({ timeoutSeconds }) => timeoutSeconds * 3000);
  scheduler.configure([checkOf('a')]);
  await clock.goTo(start + 30_000);
  expect(results[0]).toMatchObject({ state: 'CRITICAL', output: 'Too late.', durationMs: 5000 });

  const deaf = newFakeClock(start);
  const made: NewResult[] = [];
  const ignoring = openScheduler({
    clock: deaf,
    run: () => new Promise(() => {}),
    made: (one) => made.push(one),
  });
  ignoring.configure([checkOf('a')]);
  await deaf.goTo(start + 60_000);
  expect(made.length).toBeGreaterThanOrEqual(5);
  expect(made[0]).toMatchObject({ state: 'UNKNOWN', durationMs: 7000 });
});

test('a look that throws is UNKNOWN and shows nothing of what was thrown', async () => {
  const clock = newFakeClock(start);
  const made: NewResult[] = [];
  const run = () => Promise.reject(new TypeError('password is hunter2'));
  openScheduler({ clock, run, made: (one) => made.push(one) }).configure([checkOf('a')]);
  await clock.goTo(start + 11_000);
  expect(made[0]).toMatchObject({ state: 'UNKNOWN', output: 'It could not be run (TypeError).' });
});

test('a changed configuration leaves turns and runs of unchanged checks alone, and ends those of others', async () => {
  const { clock, runs, results, scheduler } = newWorld(() => 4000);
  const kept = checkOf('kept');
  const changed = checkOf('changed');
  scheduler.configure([kept, changed, checkOf('removed')]);
  // In the midst of a run of what is kept, and of another one.
  const until = firstDue('kept', 10_000) + 3000;
  await clock.goTo(until);
  const beginnings = runs.length;
  scheduler.configure([kept, { ...changed, intervalSeconds: 20 }]);
  const cutOff = results.length;
  await clock.goTo(until + 10_000);
  expect(results.slice(cutOff).filter(({ checkId }) => checkId !== 'kept' && checkId !== 'changed')).toEqual(
    [],
  );
  const rhythm = rhythmOf('kept', 10_000);
  expect(
    results.filter(({ checkId }) => checkId === 'kept').map(({ startedAt }) => Date.parse(startedAt)),
  ).toEqual(
    runsOf(runs, 'kept')
      .filter((at) => at <= until + 6000)
      .map(Math.floor),
  );
  const turns = runsOf(runs, 'kept').map((at) => turnAfter(rhythm, at) - 1);
  expect(turns).toEqual(turns.map((_, index) => (turns[0] ?? 0) + index));
  expect(runs.slice(beginnings).filter(({ id }) => id === 'removed')).toEqual([]);
  for (const { checkId, startedAt } of results.filter((one) => one.checkId === 'changed')) {
    const old = Date.parse(startedAt) <= until;
    const due = dueAt(
      rhythmOf(checkId, old ? 10_000 : 20_000),
      turnAfter(rhythmOf(checkId, old ? 10_000 : 20_000), Date.parse(startedAt)) - 1,
    );
    expect(Math.abs(Date.parse(startedAt) - due)).toBeLessThanOrEqual(1);
  }
});

function firstDue(id: string, intervalMs: number): number {
  const rhythm = rhythmOf(id, intervalMs);
  return dueAt(rhythm, turnAfter(rhythm, start));
}

test('a run that is asked for begins at once or after the one under way, besides the turns', async () => {
  const { clock, runs, scheduler } = newWorld(() => 1000);
  scheduler.configure([checkOf('a', { intervalSeconds: 600 })]);
  expect(scheduler.runNow('nobody')).toBe(false);
  expect(scheduler.runNow('a')).toBe(true);
  await clock.goTo(start + 500);
  expect(scheduler.runNow('a')).toBe(true);
  expect(scheduler.runNow('a')).toBe(true);
  await clock.goTo(start + 5000);
  expect(runs.map(({ at }) => at - start)).toEqual([0, 1000]);
  await clock.goTo(firstDue('a', 600_000));
  expect(runs).toHaveLength(3);
});

test('after a machine was frozen each check runs once, not once for every turn it missed', async () => {
  const { clock, runs, scheduler } = newWorld(() => 10);
  scheduler.configure([checkOf('a')]);
  await clock.goTo(start + 20_000);
  const before = runs.length;
  await clock.freezeUntil(start + 200_000);
  expect(runs.length - before).toBe(1);
  await clock.goTo(start + 220_000);
  expect(runs.length - before).toBe(3);
});

test('a stop ends runs without results and leaves no timer', async () => {
  const { clock, runs, results, scheduler } = newWorld(() => 4000);
  scheduler.configure(['a', 'b', 'c'].map((id) => checkOf(id)));
  await clock.goTo(firstDue('b', 10_000) + 1);
  const made = results.length;
  expect(runs.length).toBeGreaterThan(made);
  await scheduler.stop();
  expect(clock.waiting).toBe(0);
  expect(results).toHaveLength(made);
});
