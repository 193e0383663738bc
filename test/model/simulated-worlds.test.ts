// Redeploys of both strategies in thousands of tiny worlds, each made from a number: people ask for things at bad moments,
// jobs fail, proxies lag and go, records are lost, engine and platform are away. After every step the invariants are looked
// at (world/invariants.ts). BERTH_SEEDS=from,count looks at others; a world that fails is told with its whole story.
import { expect, test } from 'vitest';
import { stepsToHealthy } from '../../src/model/job-steps.ts';
import { isAlive } from '../../src/model/jobs.ts';
import { nextSteps, phaseOf, type RedeploySituation, type RedeployStep } from '../../src/model/redeploy.ts';
import { scenarioOf } from './world/scenario.ts';
import { simulate } from './world/simulate.ts';
import type { Decide } from './world/world.ts';

const [from = 0, count = 2_000] = (process.env.BERTH_SEEDS ?? '0,2000').split(',').map(Number);
const parts = 8;

test.each(Array.from({ length: parts }, (_, part) => part))(
  'whatever happens, every invariant holds (part %i of 8)',
  (part) => {
    for (let seed = from + part; seed < from + count; seed += parts) expectSound(seed);
  },
  120_000,
);

// Each was found by its number; what it was about is what it must not be again.
test.each([
  [71, 'a canceled drain leaves its jobs without requests'],
  [389, 'jobs of a superseded redeploy are brought into rotation by the next one'],
  [784, 'a proxy is not told again when what is wanted changes back while it is told'],
  [1263, 'a proxy starts again from files that nobody has written down'],
  [4339, 'old jobs are stopped while no proxy knows the new ones'],
  [4501, 'a restart that waits for its time counts as rest'],
])('world %i: not that %s', expectSound);

function expectSound(seed: number): void {
  if (simulate(scenarioOf(seed)).faults.size === 0) return;
  const story: string[] = [];
  const { faults } = simulate(scenarioOf(seed), story);
  expect([`world ${seed}`, ...faults, ...story].join('\n')).toBe(`world ${seed}`);
}

test('the same number makes the same world', () => {
  const stories = [[], []].map((story: string[]) => {
    simulate(scenarioOf(7), story);
    return story;
  });
  expect(stories[0]?.length).toBeGreaterThan(20);
  expect(stories[0]).toEqual(stories[1]);
});

// Decisions that are wrong in one way each, and the invariant that finds it.
const before = (situation: RedeploySituation, wrong: Partial<RedeploySituation>) =>
  nextSteps({ ...situation, ...wrong });
const overlapping = ({ redeploy }: RedeploySituation) => redeploy.spec.strategy === 'OVERLAP';
const swapped =
  (step: RedeployStep['do'], other: RedeployStep, only: (situation: RedeploySituation) => boolean): Decide =>
  (situation) =>
    nextSteps(situation).map((each) => (each.do === step && only(situation) ? other : each));
const makingRoom = (situation: RedeploySituation) => phaseOf(situation.redeploy) === 'PULL_IMAGE';

test.each<[string, RegExp, Decide]>([
  ['does not wait for the proxies', /^S1/, (situation) => before(situation, { proxies: 'CURRENT' })],
  [
    'stops the old jobs before the new ones are there',
    /^S1/,
    (situation) => {
      const old = situation.jobs.find(({ redeployId }) => redeployId !== situation.redeploy.id);
      const early = overlapping(situation) && phaseOf(situation.redeploy) === 'START_NEW';
      const steps = nextSteps(situation);
      return early && old !== undefined ? [...steps, { do: 'STOP_JOB', jobId: old.id, reason: '' }] : steps;
    },
  ],
  [
    'switches before all are healthy',
    /^(S1|SUCCEEDED with)/,
    swapped('VERIFY_JOB', { do: 'SWITCH' }, ({ redeploy }) => phaseOf(redeploy) === 'VERIFY'),
  ],
  [
    'leaves what others had begun',
    /^S2/,
    (situation) => {
      const steps = nextSteps(situation);
      const stays =
        overlapping(situation) && makingRoom(situation) && steps.some((step) => step.do === 'STOP_JOB');
      if (!stays || !situation.redeploy.imageFound) return steps;
      return [
        {
          do: 'ENTER_START_NEW',
          wanted: [{ type: 'DEPLOY', target: null, count: situation.redeploy.spec.scale }],
        },
      ];
    },
  ],
  [
    'does not stop the old jobs in the end',
    /^S3: SUCCEEDED while old/,
    swapped('STOP_JOB', { do: 'END', state: 'SUCCEEDED' }, ({ redeploy }) => phaseOf(redeploy) === 'DRAIN'),
  ],
  [
    'leaves failed jobs in place of those that ran before',
    /^S3: what was (CANCELED|FAILED) runs/,
    swapped('SWITCH_BACK', { do: 'END', state: 'CANCELED' }, () => true),
  ],
  [
    'calls it rolled back whatever is left',
    /^ROLLED_BACK while/,
    (situation) =>
      nextSteps(situation).map((step) =>
        step.do === 'END' && step.state === 'FAILED' ? { do: 'END', state: 'ROLLED_BACK' } : step,
      ),
  ],
  [
    'never ends what failed',
    /^S6/,
    (situation) => (situation.redeploy.cause === null ? nextSteps(situation) : []),
  ],
  [
    'goes back from DRAIN',
    /^S7: phases/,
    swapped('STOP_JOB', { do: 'SWITCH_BACK' }, ({ redeploy }) => phaseOf(redeploy) === 'DRAIN'),
  ],
  [
    'does not hear a cancel',
    /^a cancel during/,
    (situation) => before(situation, { redeploy: { ...situation.redeploy, cancelRequested: false } }),
  ],
  [
    'looks after jobs that another has left',
    /^a new job is in rotation/,
    (situation) => {
      const { redeploy, jobs } = situation;
      const steps = nextSteps(situation);
      if (!overlapping(situation) || !makingRoom(situation) || redeploy.imageFound) return steps;
      const old = jobs.filter((job) => isAlive(job) && job.redeployId !== redeploy.id);
      return [...steps, ...stepsToHealthy(old, situation)];
    },
  ],
])('a redeploy that %s is found', (_how, fault, decide) => {
  const found = new Set<string>();
  for (let seed = 0; seed < 600; seed++)
    for (const each of simulate(scenarioOf(seed), undefined, decide).faults) {
      found.add(each.replace(/\d+/g, 'N'));
      if (fault.test(each)) return;
    }
  expect([...found]).toEqual([fault]);
});
