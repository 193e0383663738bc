// What must hold of a redeploy by OVERLAP in any situation whatsoever, also in one that nobody thought of.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isLeaving } from '../../src/model/job-steps.ts';
import { isAlive, type JobView, jobHealths, jobStates } from '../../src/model/jobs.ts';
import { nextSteps, type RedeploySituation, type RedeployStep } from '../../src/model/redeploy.ts';
import { rotations } from '../../src/model/rotation.ts';
import { canceled, during, failed, order, overlapping } from './overlap-situations.ts';
import { ago, job } from './situations.ts';

const aJob: fc.Arbitrary<JobView> = fc
  .record({
    redeployId: fc.constantFrom('new', 'new', 'old', 'old', 'superseded'),
    type: fc.constantFrom('DEPLOY', 'DEPLOY', 'DEPLOY', 'WORKER'),
    state: fc.oneof({ weight: 3, arbitrary: fc.constant('RUNNING') }, fc.constantFrom(...jobStates)),
    health: fc.constantFrom(...jobHealths),
    rotation: fc.constantFrom(...rotations),
    stopRequested: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.constant(true)),
    startedAt: fc.integer({ min: 0, max: 200 }),
  })
  .map(({ redeployId, state, type, rotation, health, startedAt, ...more }) => {
    const running = state === 'RUNNING';
    const view = {
      type,
      state,
      startedAt: ago(startedAt),
      target: type === 'WORKER' ? 'mailer' : null,
      ...more,
    };
    const seen = {
      health: running ? health : null,
      rotation: type === 'WORKER' ? null : running ? rotation : 'OUT',
    };
    return job('', 'old', { ...(view as Partial<JobView>), ...(seen as Partial<JobView>), redeployId });
  });
const jobs = fc
  .array(aJob, { maxLength: 8 })
  .map((some) => some.map((each, index) => ({ ...each, id: `job-${index}` })));

const anything = fc
  .record({
    jobs,
    phase: fc.constantFrom(...order, 'RESTORE' as const),
    cause: fc.constantFrom(null, null, null, failed, canceled),
    cancelRequested: fc.boolean(),
    imageFound: fc.boolean(),
    previousId: fc.constantFrom('old', null),
    deadline: fc.integer({ min: -300, max: 30 }),
    proxies: fc.constantFrom('NONE' as const, 'BEHIND' as const, 'CURRENT' as const),
    workers: fc.constantFrom({}, { mailer: 2 }),
  })
  .map(({ jobs: some, phase, proxies, workers, deadline, cause, ...view }) =>
    during(phase, some, {
      ...{ proxies, workers },
      view: { ...view, cause: phase === 'RESTORE' ? (cause ?? failed) : cause, deadlineAt: ago(deadline) },
    }),
  );

const runs = { numRuns: Number(process.env.BERTH_RUNS ?? 3_000) };
const holds = (property: (situation: RedeploySituation, steps: readonly RedeployStep[]) => void) =>
  fc.assert(
    fc.property(anything, (situation) => property(situation, nextSteps(situation))),
    runs,
  );
const stopped = ({ jobs: all }: RedeploySituation, steps: readonly RedeployStep[]) =>
  steps.flatMap((step) => (step.do === 'STOP_JOB' ? all.filter(({ id }) => id === step.jobId) : []));
const serves = (each: JobView) =>
  each.type === 'DEPLOY' && each.rotation === 'IN' && each.health === 'HEALTHY';
const isOld = (each: JobView) => each.redeployId !== 'new';
const has = ({ redeploy: { phases } }: RedeploySituation, name: string) =>
  phases.some(({ phase }) => phase === name);

test('nothing that serves is stopped before DRAIN, unless somebody asked for it or it is new and being undone', () => {
  holds((situation, steps) => {
    if (has(situation, 'DRAIN') && situation.redeploy.cause === null) return;
    for (const each of stopped(situation, steps).filter(serves)) {
      const undone = !isOld(each) && situation.redeploy.cause !== null;
      expect(undone || isLeaving(each)).toBe(true);
    }
  });
});

test('requests go to the new jobs when every one of them is healthy, and back when an old one is', () => {
  holds(({ jobs: all, redeploy }, steps) => {
    const deploys = all.filter((each) => each.type === 'DEPLOY' && isAlive(each));
    const own = all.filter((each) => !isOld(each));
    const switching = steps.some((step) => step.do === 'SWITCH');
    if (switching) expect(own.every((each) => each.health === 'HEALTHY' && !isLeaving(each))).toBe(true);
    if (!steps.some((step) => step.do === 'SWITCH_BACK')) return;
    expect(redeploy.cause).not.toBeNull();
    expect(deploys.some((each) => isOld(each) && each.health === 'HEALTHY' && !isLeaving(each))).toBe(true);
  });
});

test('new jobs are started only when nothing but what serves or ran before is left', () => {
  holds(({ jobs: all }, steps) => {
    if (!steps.some((step) => step.do === 'ENTER_START_NEW')) return;
    const left = all.filter((each) => isAlive(each) && isOld(each));
    expect(
      left.every((each) => !isLeaving(each) && (each.redeployId === 'old' || each.rotation === 'IN')),
    ).toBe(true);
  });
});

test('no step of DRAIN goes back, and none goes on without the proxies', () => {
  holds((situation, steps) => {
    const words = steps.map((step) => step.do);
    const draining = situation.redeploy.phases.at(-1)?.phase === 'DRAIN' && situation.redeploy.cause === null;
    const goes = situation.proxies === 'BEHIND' ? ['STOP_JOB', 'END', 'WAIT'] : ['STOP_JOB', 'END'];
    if (draining) expect(words.every((word) => goes.includes(word))).toBe(true);
    if (situation.proxies === 'BEHIND') expect(words).not.toContain('ENTER_OVERLAP');
    if (situation.proxies === 'BEHIND' && situation.redeploy.phases.at(-1)?.phase === 'RESTORE')
      expect(words).toSatisfy(([word]: string[]) => word === 'WAIT' || word === 'END');
  });
});

test('there is always something to do or to wait for, each of it once', () => {
  holds(({ jobs: all, redeploy }, steps) => {
    const keys = steps.map((step) => ('jobId' in step ? `${step.do} ${step.jobId}` : step.do));
    expect(new Set(keys).size).toBe(keys.length);
    expect(steps.length).toBeGreaterThan(0);
    for (const step of steps) {
      if ('jobId' in step) expect(all.some((each) => each.id === step.jobId && isAlive(each))).toBe(true);
      if (step.do === 'END') expect(step.state === 'SUCCEEDED').toBe(redeploy.cause === null);
    }
  });
});

test('it depends on nothing but what it is given, and changes none of it', () => {
  const deepFreeze = <T>(value: T): T => {
    if (typeof value === 'object' && value !== null && !(value instanceof Date))
      for (const each of Object.values(Object.freeze(value))) deepFreeze(each);
    return value;
  };
  holds((situation, steps) => {
    expect(nextSteps(deepFreeze(structuredClone(situation)))).toEqual(steps);
  });
});

test('as old jobs and new ones are, so many at most are wanted: twice the scale', () => {
  holds(({ redeploy, workers }, steps) => {
    for (const step of steps)
      if (step.do === 'ENTER_START_NEW')
        expect(step.wanted.reduce((sum, { count }) => sum + count, 0)).toBe(
          overlapping.scale + ('mailer' in workers && 'mailer' in redeploy.spec.commands ? 2 : 0),
        );
  });
});
