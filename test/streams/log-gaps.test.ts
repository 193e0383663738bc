// The log of a running job on a real engine: lines that the engine has dropped, because its files were rotated past a reader
// or the container was removed by hand, are told by a Gap between what came before and what comes after, and never passed over.
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LogItem, readOutputPage, streamOutput } from '../../src/control/log-stream.ts';
import { containerName } from '../../src/model/jobs.ts';
import { type JobRow, listJobsById } from '../../src/postgres/jobs.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import { newService, openWorld, redeployed, until, type World } from '../support/world.ts';

/** Once told to: more than twice what the engine keeps, in numbered lines. */
const count = 70_000;
const flood = `pad=$(head -c 1000 /dev/zero | tr '\\0' x); while [ ! -f /tmp/go ]; do sleep 0.1; done; seq 1 ${count} | sed "s/$/ $pad/"; echo done`;
const commands = { web: `echo first; (${flood}) & exec httpd -f -p 8080 -h /tmp` };

const timeout = 90_000;
const docker = new Docker();
let database: FreshDatabase;
let world: World;

beforeAll(async () => {
  database = await freshDatabase();
  world = await openWorld(database.url, { settings: { settleSeconds: 0.3, healthySeconds: 20 } });
}, timeout);
afterAll(async () => {
  await world?.close();
  await database?.drop();
}, timeout);

async function runningJob(): Promise<JobRow> {
  const { serviceId } = await newService(world, { commands });
  expect((await redeployed(world, serviceId)).state).toBe('SUCCEEDED');
  const [row] = await world.control.store
    .raw`select id from jobs where service_id = ${serviceId} and state = 'RUNNING'`;
  const [job] = await listJobsById(world.control.store.db, [String(row?.id)]);
  if (job === undefined) throw new Error('no job runs');
  return job;
}

const containerOf = (job: JobRow) => docker.getContainer(containerName(job.id));

async function startFlood(job: JobRow): Promise<void> {
  const exec = await containerOf(job).exec({ Cmd: ['touch', '/tmp/go'] });
  await exec.start({ Detach: true });
}

async function floodEnds(job: JobRow): Promise<void> {
  const last = async () => {
    const { signal } = new AbortController();
    const lines = world.control.output(job, { since: undefined, tail: 1, follow: false }, signal);
    return (await Array.fromAsync(lines)).at(-1)?.text.slice(0, 20);
  };
  await until('the flood ends', last, (text) => text === 'done', 60_000);
}

const textOf = (item: LogItem | undefined) =>
  item?.kind === 'ITEM' ? item.item.text.split(' ')[0] : undefined;

/** Items until one of this text; the stream stays open. */
async function readUntil(stream: AsyncGenerator<LogItem>, text: string): Promise<LogItem[]> {
  const items: LogItem[] = [];
  for (;;) {
    const { value, done } = await stream.next();
    if (done === true) throw new Error(`It ended after ${items.length} items without ${text}.`);
    if (value.kind !== 'HEARTBEAT') items.push(value);
    if (textOf(value) === text) return items;
  }
}

const follow = (job: JobRow, after: string | null, signal = AbortSignal.timeout(timeout)) =>
  streamOutput(world.control, job.id, after, signal);

/** Numbered lines follow each other, or a Gap stands between. Answers with the gaps. */
function expectNoSilentHole(items: readonly LogItem[], from: number): LogItem[] {
  let expected: number | undefined = from;
  for (const item of items) {
    if (item.kind === 'GAP') expected = undefined;
    const number = Number(textOf(item));
    if (!Number.isInteger(number)) continue;
    if (expected !== undefined) expect(number).toBe(expected);
    expected = number + 1;
  }
  if (expected !== undefined) expect(expected).toBe(count + 1);
  return items.filter(({ kind }) => kind === 'GAP');
}

test(
  'a log that was rotated past a cursor begins with a Gap from there, by stream and by page, and goes on whole',
  async () => {
    const job = await runningJob();
    const before = follow(job, null);
    const first = (await readUntil(before, 'first')).at(-1)?.cursor ?? '';
    await before.return();
    await startFlood(job);
    await floodEnds(job);
    const resumed = follow(job, first);
    const items = await readUntil(resumed, 'done');
    await resumed.return();
    const gap = items[0];
    expect(gap).toMatchObject({ kind: 'GAP', reason: 'LINES_CUT', from: first, to: gap?.cursor });
    expect(expectNoSilentHole(items, 1)).toHaveLength(1);
    const lines = items.filter(({ kind }) => kind === 'ITEM');
    expect(Number(textOf(lines[0]))).toBeGreaterThan(1);
    const page = await readOutputPage(world.control, job, first, 3);
    expect(page.items.map(({ kind }) => kind)).toEqual(['GAP', 'ITEM', 'ITEM']);
    const behind = await readOutputPage(world.control, job, gap?.cursor, 2);
    expect(behind.items).toEqual(lines.slice(0, 2));
    const middle = lines[Math.floor(lines.length / 2)];
    const rest = await readOutputPage(world.control, job, middle?.cursor, 2);
    expect(rest.items).toEqual(lines.slice(Math.floor(lines.length / 2) + 1).slice(0, 2));
  },
  timeout,
);

test(
  'a follower that reads nothing while the log is rotated past it is told of the hole',
  async () => {
    const job = await runningJob();
    const stream = follow(job, null);
    await readUntil(stream, 'first');
    expect((await stream.next()).value).toMatchObject({ kind: 'CAUGHT_UP' });
    await startFlood(job);
    await readUntil(stream, '10');
    await floodEnds(job);
    const items = await readUntil(stream, 'done');
    await stream.return();
    expect(expectNoSilentHole(items, 11).length).toBeGreaterThan(0);
  },
  timeout,
);

test(
  'the log of a container that is removed by hand ends with a Gap, for its follower and for whoever comes later',
  async () => {
    const job = await runningJob();
    const stream = follow(job, null);
    const first = (await readUntil(stream, 'first')).at(-1)?.cursor ?? '';
    const rest = Array.fromAsync(stream);
    await containerOf(job).remove({ force: true });
    const items = (await rest).filter(({ kind }) => kind !== 'HEARTBEAT');
    expect(items.map(({ kind }) => kind)).toEqual(['CAUGHT_UP', 'GAP']);
    const gap = items[1];
    expect(gap).toMatchObject({ reason: 'CONTAINER_GONE', from: first, to: gap?.cursor });
    expect(gap?.cursor).not.toBe(first);
    const later = async (after: string | null) =>
      (await Array.fromAsync(follow(job, after))).map(({ kind }) => kind);
    expect(await later(first)).toEqual(['GAP', 'CAUGHT_UP']);
    expect(await later(null)).toEqual(['GAP', 'CAUGHT_UP']);
    expect(await later(gap?.cursor ?? '')).toEqual(['CAUGHT_UP']);
    const [ended] = await listJobsById(world.control.store.db, [job.id]);
    if (ended === undefined) throw new Error('the job is gone');
    const page = await readOutputPage(world.control, ended, null, 5);
    expect(page.items).toMatchObject([{ kind: 'GAP', from: null, reason: 'CONTAINER_GONE' }]);
    expect((await readOutputPage(world.control, ended, page.endCursor, 5)).items).toEqual([]);
  },
  timeout,
);
