// Builds that don't go as they should: one that takes too long is ended with a sentence and changes nothing; one whose
// control plane dies is begun again by the next, makes its release and its redeploy once, and ends after three tries.
import { randomBytes } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { JobRow } from '../../src/postgres/jobs.ts';
import { events } from '../../src/postgres/tables/events.ts';
import { redeploys, releases } from '../../src/postgres/tables/redeploys.ts';
import { type CrashChild, startChild } from '../support/crash-child.ts';
import { expectPeace } from '../support/oracle.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import { newService, openWorld, redeployed, type Service, until, type World } from '../support/world.ts';
import { jobsOf, serviceOf } from './looks.ts';
import { buildLogOf, buildNow, endOfBuild, push, stepsUnderWay } from './pushed.ts';

const patience = 180_000;

let database: FreshDatabase;
let world: World;
let service: Service;

/** The first deploy is of the world's own image. */
async function open(orchestrate: boolean, settings: { readonly buildSeconds?: number } = {}): Promise<void> {
  database = await freshDatabase();
  world = await openWorld(database.url, { orchestrate, settings });
  service = await newService(world);
}
async function close(): Promise<void> {
  await world?.close();
  await database?.drop();
}

/** A word that no other build step on the engine has in its command. */
const newWord = () => `step-${randomBytes(6).toString('hex')}`;
const image = (step: string) => ({
  Dockerfile: `FROM busybox:1\nRUN ${step}\nCMD ["httpd", "-f", "-p", "8080", "-h", "/tmp"]\n`,
});

const underWay = (word: string, count = 1) =>
  until(
    `${count} build steps under way`,
    () => stepsUnderWay(word),
    (found) => found.length === count,
    60_000,
  );

const rowsOf = async () => ({
  releases: await world.control.store.db
    .select()
    .from(releases)
    .where(eq(releases.serviceId, service.serviceId)),
  redeploys: await world.control.store.db
    .select()
    .from(redeploys)
    .where(eq(redeploys.serviceId, service.serviceId)),
});

describe('a build that takes longer than it may', () => {
  const buildSeconds = 8;
  beforeAll(() => open(true, { buildSeconds }), patience);
  afterAll(close);

  test(
    'is ended on the engine, with a sentence, and nothing else changes',
    async () => {
      expect((await redeployed(world, service.serviceId)).state).toBe('SUCCEEDED');
      const before = await rowsOf();
      const word = newWord();
      const { id } = await push(world, service.serviceId, image(`sleep 600; echo ${word}`));
      const ended = await endOfBuild(world, id);
      const sentence = `It took longer than the ${buildSeconds} s that a build may take.`;
      expect(ended).toMatchObject({ state: 'FAILED', reason: sentence });
      const log = await buildLogOf(world, id);
      expect(log.at(-1)).toBe(`The build has failed: ${sentence}`);
      expect(log.join('\n')).toContain(`sleep 600; echo ${word}`);
      await underWay(word, 0);
      expect(await rowsOf()).toEqual(before);
      await expectPeace(world);
    },
    patience,
  );

  test(
    'holds up no other: the next push is built and deployed',
    async () => {
      const { id } = await push(world, service.serviceId, image('true'));
      expect((await endOfBuild(world, id)).state).toBe('FINISHED');
      await until(
        'its redeploy',
        async () => (await rowsOf()).redeploys.at(-1),
        (row) => row?.reason === 'CODE_PUSH' && row.state === 'SUCCEEDED',
        60_000,
      );
    },
    patience,
  );
});

describe('a build whose control plane is killed', () => {
  let child: CrashChild | undefined;
  beforeEach(() => open(false), patience);
  afterEach(async () => {
    await child?.end();
    await close();
  }, patience);

  const begin = async () => {
    child = await startChild({ url: world.url, dataDirectory: world.dataDirectory, settings: {} });
  };
  const killMidway = async (word: string) => {
    await begin();
    await underWay(word);
    await child?.end();
    // The engine ends what nobody reads any more.
    await underWay(word, 0);
  };
  const attempts = ({ state, attempt }: JobRow) => [state, attempt];

  test(
    'is begun again by the next, and makes one release and one redeploy',
    async () => {
      const word = newWord();
      const { id } = await push(world, service.serviceId, image(`sleep 5; echo ${word}`));
      await killMidway(word);
      expect(attempts(await buildNow(world, id))).toEqual(['RUNNING', 1]);
      await begin();
      expect(attempts(await endOfBuild(world, id))).toEqual(['FINISHED', 2]);
      await until(
        'the redeploy',
        rowsOf,
        (rows) => rows.redeploys.some(({ state }) => state === 'SUCCEEDED'),
        60_000,
      );
      const rows = await rowsOf();
      expect(rows.releases.filter(({ buildJobId }) => buildJobId === id).length).toBe(1);
      expect(rows.redeploys.map(({ reason, state }) => [reason, state])).toEqual([
        ['CODE_PUSH', 'SUCCEEDED'],
      ]);
      const log = await buildLogOf(world, id);
      expect(log.filter((line) => line.includes('the build is begun again')).length).toBe(1);
      expect(log.at(-1)).toMatch(/^Built release /);
      const told = await world.control.store.db
        .select()
        .from(events)
        .where(eq(events.jobId, id))
        .orderBy(events.seq);
      expect(told.map(({ message }) => message.replace(service.label, 'web'))).toEqual([
        expect.stringMatching(/^Berth pushed .* to web: A test$/),
        'A build of web is scheduled.',
        'A build job of web is being started.',
        'A build job of web runs.',
        'A build job of web has finished.',
        expect.stringMatching(/^Release .* of web is built: A test$/),
      ]);
      await expectPeace(world);
    },
    patience,
  );

  test(
    'ends after three tries, and redeploys nothing',
    async () => {
      const before = await serviceOf(world, service.serviceId);
      const word = newWord();
      const { id } = await push(world, service.serviceId, image(`sleep 600; echo ${word}`));
      for (let times = 1; times <= 3; times++) {
        await killMidway(word);
        expect(attempts(await buildNow(world, id))).toEqual(['RUNNING', times]);
      }
      await begin();
      expect(await endOfBuild(world, id)).toMatchObject({
        state: 'FAILED',
        reason: 'It was cut off too often by restarts of the platform. Push another commit.',
      });
      expect(await stepsUnderWay(word)).toEqual([]);
      expect((await rowsOf()).redeploys).toEqual([]);
      expect((await serviceOf(world, service.serviceId)).releaseId).toBe(before.releaseId);
      expect((await jobsOf(world, service.serviceId)).map(({ type }) => type)).toEqual(['BUILD']);
      await expectPeace(world);
    },
    patience,
  );
});
