// The log of a build when its writing fails: a batch whose acknowledgement was lost, one that never arrived, and a process
// that dies in the midst. Readers see each line once and in order, whatever was written how often.
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { readOutputPage, streamOutput } from '../../src/control/log-stream.ts';
import { newId } from '../../src/ids.ts';
import { openBuildLog } from '../../src/orchestrator/build-log.ts';
import { insertJobs, type JobRow, moveJob } from '../../src/postgres/jobs.ts';
import type { Store } from '../../src/postgres/open.ts';
import { type ControlWorld, openControl } from '../support/control.ts';

let world: ControlWorld;
let job: JobRow;

beforeEach(async () => {
  world = await openControl();
  onTestFinished(() => world.close());
  const environmentId = await world.addEnvironment();
  const input = { environmentId, type: 'CODE', label: 'web' } as const;
  const { ids } = await createService(world.control, world.token.caller, input);
  const at = { environmentId, serviceId: ids.serviceId, type: 'BUILD' as const, image: '' };
  const [row] = await world.control.store.db.transaction((tx) =>
    insertJobs(tx, [{ ...at, id: newId(), state: 'RUNNING' }]),
  );
  if (row === undefined) throw new Error('no job');
  job = row;
});

type Fault = 'NONE' | 'ACKNOWLEDGEMENT_LOST' | 'NEVER_ARRIVED';

/** The world's store, whose inserts fail as they are told to. */
function faultyStore(): { store: Store; set(fault: Fault): void; failed(): number } {
  const { store } = world.control;
  let fault: Fault = 'NONE';
  let failed = 0;
  /** A query under construction: what is called on it goes on to it, but its answer is lost. */
  function losing<T extends object>(query: T, arrives: boolean): T {
    const then = (_resolve: unknown, reject: (error: Error) => void) => {
      failed += 1;
      const cut = () => reject(new Error('the connection was cut'));
      if (arrives) Promise.resolve(query).then(cut, cut);
      else cut();
    };
    return new Proxy(query, {
      get: (target, key) => {
        if (key === 'then') return then;
        const value = Reflect.get(target, key);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => losing(Reflect.apply(value, target, args), arrives);
      },
    });
  }
  const db = new Proxy(store.db, {
    get: (target, key) => {
      if (key !== 'insert' || fault === 'NONE') return Reflect.get(target, key);
      const arrives = fault === 'ACKNOWLEDGEMENT_LOST';
      return (table: Parameters<typeof target.insert>[0]) => losing(target.insert(table), arrives);
    },
  });
  return {
    store: { ...store, db },
    set: (next) => {
      fault = next;
    },
    failed: () => failed,
  };
}

const open = (store: Store) => openBuildLog({ store, nudges: world.control.nudges }, job.id, (text) => text);
const numbered = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => `line ${from + index}`);

async function endBuild(): Promise<void> {
  await world.control.store.db.transaction((tx) => moveJob(tx, job.id, 'FINISHED', { cleaned: true }));
}

/** What a follower was given from its beginning to its end. */
async function followed(): Promise<string[]> {
  const stream = streamOutput(world.control, job.id, null, AbortSignal.timeout(15_000));
  const items = await Array.fromAsync(stream);
  expect(items.filter(({ kind }) => kind === 'GAP')).toEqual([]);
  return items.flatMap((item) => (item.kind === 'ITEM' ? [item.item.text] : []));
}

test.each(['ACKNOWLEDGEMENT_LOST', 'NEVER_ARRIVED'] as const)(
  'a batch that is written again (%s) gives its lines once and in order',
  async (fault) => {
    const faulty = faultyStore();
    const log = await open(faulty.store);
    const following = followed();
    for (const text of numbered(1, 5)) log.line(text);
    await log.flush();
    faulty.set(fault);
    for (const text of numbered(6, 10)) log.line(text);
    await expect(log.flush()).rejects.toThrow();
    for (const text of numbered(11, 12)) log.line(text);
    await expect(log.flush()).rejects.toThrow();
    expect(faulty.failed()).toBeGreaterThan(1);
    faulty.set('NONE');
    for (const text of numbered(13, 15)) log.line(text);
    await log.close();
    await endBuild();
    expect(await following).toEqual(numbered(1, 15));
    expect(await followed()).toEqual(numbered(1, 15));
  },
);

test('a build that is begun again after a crash goes on behind what was written, from every cursor', async () => {
  const faulty = faultyStore();
  const first = await open(faulty.store);
  for (const text of numbered(1, 5)) first.line(text);
  faulty.set('ACKNOWLEDGEMENT_LOST');
  await expect(first.flush()).rejects.toThrow();
  // The process dies here: it never learns that its lines are there, and writes nothing more.
  faulty.set('NEVER_ARRIVED');
  const second = await open(world.control.store);
  for (const text of numbered(6, 9)) second.line(text);
  await second.close();
  await endBuild();
  await expect(first.close()).rejects.toThrow();
  expect(await followed()).toEqual(numbered(1, 9));
  let after: string | null = null;
  for (const text of numbered(1, 9)) {
    const page = await readOutputPage(world.control, job, after, 1);
    expect(page.items).toMatchObject([{ kind: 'ITEM', item: { text } }]);
    after = page.endCursor;
  }
  expect((await readOutputPage(world.control, job, after, 1)).items).toEqual([]);
});

test('a log that says too much is cut off with a sentence, its work is not', async () => {
  const { store, nudges } = world.control;
  const log = await openBuildLog({ store, nudges }, job.id, (text) => text);
  for (let line = 0; line < 1_200; line++) log.line('x'.repeat(16 * 1024));
  await log.close();
  const kept = await store.raw`select text from job_lines where job_id = ${job.id} order by seq`;
  expect(kept.at(-1)?.text).toBe('… the rest of this log is left out.');
  const characters = kept.reduce((sum, { text }) => sum + text.length, 0);
  expect(characters).toBeGreaterThan(3_900_000);
  expect(characters).toBeLessThan(4_100_000);
});
