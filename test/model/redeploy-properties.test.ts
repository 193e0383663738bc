// Whatever happens to a redeploy, and whatever people ask for meanwhile: what must hold then, by thousands of generated
// histories in a simulated world.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { wantedJobs } from '../../src/model/job-steps.ts';
import { isAlive } from '../../src/model/jobs.ts';
import { nextSteps } from '../../src/model/redeploy.ts';
import {
  type Action,
  type Asked,
  decide,
  type Fate,
  healthySeconds,
  type Scenario,
  simulate,
} from './simulation.ts';

const seconds = (max: number) => fc.integer({ min: 0, max: max * 4 }).map((quarters) => quarters / 4);
const often = <T>(value: T, other: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(value) }, { weight: 2, arbitrary: other });

const fate: fc.Arbitrary<Fate> = fc.record({
  startSeconds: seconds(4),
  healthyAfter: fc.option(seconds(25), { freq: 4 }),
  crashAfter: often(null, seconds(30)),
});
const good: Fate = { startSeconds: 0.5, healthyAfter: 1, crashAfter: null };
const asked: fc.Arbitrary<Asked> = fc.record({
  at: seconds(120),
  deadlineSeconds: fc.integer({ min: 10, max: 90 }),
  pullSeconds: often(0.5, seconds(100)),
  imageMissing: often(false, fc.boolean()),
  fates: often([good], fc.array(fate, { minLength: 1, maxLength: 4 })),
});
const action: fc.Arbitrary<Action> = fc.record({
  at: seconds(200),
  do: fc.constantFrom('CANCEL', 'STOP_A_JOB', 'SCALE_WORKERS', 'STOP_SERVICE'),
  number: fc.nat(20),
});
const scenario: fc.Arbitrary<Scenario> = fc
  .record({
    scale: fc.integer({ min: 0, max: 4 }),
    mailers: fc.integer({ min: 0, max: 3 }),
    volume: fc.boolean(),
    rollBack: often(true, fc.boolean()),
    stopSeconds: often(1, seconds(60)),
    redeploys: fc.array(asked, { minLength: 1, maxLength: 4 }),
    actions: fc.array(action, { maxLength: 6 }),
  })
  .map((any) => (any.volume ? { ...any, scale: Math.min(1, any.scale), mailers: 0 } : any));

const runs = { numRuns: Number(process.env.BERTH_RUNS ?? 1000) };

test('every redeploy reaches exactly one end by its deadline and 15 s, and the world comes to rest', () => {
  fc.assert(
    fc.property(scenario, (any) => {
      const world = simulate(any);
      for (const {
        asked: { at, deadlineSeconds },
        ends,
      } of world.redeploys) {
        expect(ends).toHaveLength(1);
        expect((ends[0]?.at ?? 0) / 1000).toBeLessThanOrEqual(at + deadlineSeconds + 15);
      }
      expect(world.open).toBeUndefined();
      expect(world.restless).toBe(0);
    }),
    runs,
  );
});

test('at no moment two jobs have one volume, too many jobs live, or an end says what is not so', () => {
  fc.assert(
    fc.property(scenario, (any) => {
      expect([...new Set(simulate(any).faults)]).toEqual([]);
    }),
    runs,
  );
});

test('where jobs can live, what runs at rest is what the last proven spec asks for and nothing else', () => {
  const calm = scenario.map((any) => ({
    ...any,
    redeploys: any.redeploys.map((each, index) => (index === 0 ? { ...each, fates: [good] } : each)),
  }));
  fc.assert(
    fc.property(calm, (any) => {
      const world = simulate(any);
      const alive = world.jobs.filter(isAlive);
      const { running, stopped, failing } = world;
      const wanted = running === undefined || stopped ? [] : wantedJobs(running.spec, world.workers);
      for (const job of alive) {
        expect(job.redeployId).toBe(running?.id);
        expect(wanted.some(({ type, target }) => type === job.type && target === job.target)).toBe(true);
      }
      const lasting = running?.asked.fates.every((each) => each.crashAfter === null) ?? true;
      for (const { type, target, count } of lasting && failing === 0 ? wanted : [])
        expect(alive.filter((job) => job.type === type && job.target === target)).toHaveLength(count);
    }),
    runs,
  );
});

test('the decision depends on nothing but what it is given', () => {
  fc.assert(
    fc.property(scenario, fc.integer({ min: 1, max: 60 }), (any, rest) => {
      const world = simulate(any, rest);
      expect(decide(structuredClone(world))).toEqual(decide(world));
      if (world.open === undefined) return;
      const given = Object.freeze({
        redeploy: Object.freeze(world.open.view),
        jobs: Object.freeze(world.jobs.map(Object.freeze)),
      });
      const situation = { ...given, workers: world.workers, healthySeconds, now: new Date(world.now) };
      expect(nextSteps(situation as never)).toEqual(nextSteps(structuredClone(situation) as never));
    }),
    runs,
  );
});
