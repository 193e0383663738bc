// The seeds of `npm test`, in two files for two workers. SEED=123 runs that one alone, wherever it belongs.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freshDatabase } from '../support/postgres.ts';
import { type OpenGround, openGround } from './ground.ts';
import { scenarioOf } from './scenario.ts';
import { simulate } from './simulate.ts';

const count = 2_000;
const atOnce = 50;
const parts = 2;

/** What the worlds of one test file stand on, opened before its tests and gone after them. */
export function useGround(): () => OpenGround {
  let ground: OpenGround | undefined;
  let close = async () => {};
  beforeAll(async () => {
    const fresh = await freshDatabase();
    const opened = await openGround(fresh.url);
    ground = opened;
    close = async () => {
      await opened.close();
      await fresh.drop();
    };
  });
  afterAll(() => close());
  return () => {
    if (ground === undefined) throw new Error('the ground is not open');
    return ground;
  };
}

export function testPart(part: number): void {
  const ground = useGround();
  test.each(groupsOf(part))(
    'whatever happens, every invariant holds: seeds from %i',
    async (_first, seeds) => {
      for (const seed of seeds) await expectSound(ground(), seed);
    },
    // Much longer than it takes, on a machine with much else to do.
    600_000,
  );
}

export async function expectSound(ground: OpenGround, seed: number): Promise<void> {
  const { faults, story } = await simulate(ground, scenarioOf(seed));
  if (faults.length > 0) expect([`SEED=${seed}`, ...faults, ...story].join('\n')).toBe(`SEED=${seed}`);
}

function groupsOf(part: number): [number, number[]][] {
  const given = process.env.SEED;
  // A file without any test would be a failure.
  if (given !== undefined) return [[Number(given), part === 0 ? [Number(given)] : []]];
  const mine = Array.from({ length: count / parts }, (_, at) => at * parts + part);
  return Array.from({ length: mine.length / atOnce }, (_, at) => {
    const seeds = mine.slice(at * atOnce, (at + 1) * atOnce);
    return [seeds[0] ?? 0, seeds];
  });
}
