// Keyset pages for many parents in one statement, held against the simplest thing that could do the same in memory.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newId } from '../../src/ids.ts';
import type { JobState } from '../../src/model/jobs.ts';
import { pageAudit, writeAudit } from '../../src/postgres/audit.ts';
import { insertEnvironment, pageEnvironments } from '../../src/postgres/environments.ts';
import { insertJobs, type JobRow, pageJobs } from '../../src/postgres/jobs.ts';
import { insertService, pageServices } from '../../src/postgres/services.ts';
import { organizations } from '../../src/postgres/tables/organizations.ts';
import { type ControlWorld, openControl } from '../support/control.ts';

let world: ControlWorld;
const parents: string[] = [];
const jobs: JobRow[] = [];

beforeAll(async () => {
  world = await openControl();
  const { store } = world.control;
  const environmentId = await world.addEnvironment();
  const states: JobState[] = ['RUNNING', 'FAILED', 'STOPPED', 'SCHEDULED'];
  await store.db.transaction(async (tx) => {
    for (const [index, count] of [0, 1, 2, 7, 60].entries()) {
      const size = { memoryMiB: 64, cpuMillis: 100, storageGiB: null };
      const named = { label: `s-${index}`, dnsName: `s-${index}`, type: 'CODE' as const };
      const service = await insertService(tx, { id: newId(), environmentId, ...named, size, scale: 1 });
      parents.push(service.id);
      const rows = Array.from({ length: count }, (_, number) => ({
        ...{ id: newId(), environmentId, serviceId: service.id, image: '' },
        ...{ type: number % 3 === 0 ? ('BUILD' as const) : ('DEPLOY' as const) },
        state: states[number % states.length] ?? 'RUNNING',
      }));
      jobs.push(...(await insertJobs(tx, rows)));
    }
  });
});

afterAll(() => world.close());

interface Asked {
  readonly after: string | undefined;
  readonly before: string | undefined;
  readonly limit: number;
  readonly backward: boolean;
}

/** The list as it is shown, cut by its cursors, and the page taken from its front or its end. */
function naive<T>(rows: readonly T[], keyOf: (row: T) => string, newestFirst: boolean, asked: Asked): T[] {
  const sorted = rows.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const shown = newestFirst ? sorted.reverse() : sorted;
  const past = (key: string, other: string) => (newestFirst ? key < other : key > other);
  const within = shown.filter(
    (row) =>
      (asked.after === undefined || past(keyOf(row), asked.after)) &&
      (asked.before === undefined || past(asked.before, keyOf(row))),
  );
  return asked.backward ? within.slice(-asked.limit) : within.slice(0, asked.limit);
}

function asking(keys: readonly string[]): fc.Arbitrary<Asked> {
  const key = fc.option(fc.constantFrom(...keys), { nil: undefined });
  return fc.record({
    after: key,
    before: key,
    limit: fc.integer({ min: 1, max: 12 }),
    backward: fc.boolean(),
  });
}

test('pages of jobs, newest first and filtered, are those of the naive list, for any parents at once', async () => {
  const states = fc.option(fc.subarray(['RUNNING', 'FAILED'] as JobState[], { minLength: 1 }), { nil: null });
  const types = fc.option(fc.constant(['DEPLOY'] as const), { nil: null });
  const keys = jobs.map((job) => job.listKey);
  await fc.assert(
    fc.asyncProperty(
      asking(keys),
      fc.subarray([...parents, newId()]),
      states,
      types,
      async (asked, ids, state, type) => {
        const found = await pageJobs(world.control.store.db, ids, { states: state, types: type }, asked);
        for (const id of ids) {
          const mine = jobs.filter(
            (job) =>
              job.serviceId === id &&
              (state === null || state.includes(job.state)) &&
              (type === null || type.some((each) => each === job.type)),
          );
          const keysOf = (rows: readonly { readonly listKey: string }[] = []) =>
            rows.map((job) => job.listKey);
          expect(keysOf(found.get(id))).toEqual(keysOf(naive(mine, (job) => job.listKey, true, asked)));
        }
        expect([...found.keys()].filter((id) => !ids.includes(id))).toEqual([]);
      },
    ),
    { numRuns: 150 },
  );
});

test('the living jobs come before the ended ones', async () => {
  const all = { after: undefined, before: undefined, limit: 100, backward: false };
  const found = await pageJobs(world.control.store.db, parents, {}, all);
  const alive = (found.get(parents.at(-1) ?? '') ?? []).map(({ state }) =>
    ['RUNNING', 'SCHEDULED'].includes(state),
  );
  expect(alive.length).toBe(60);
  expect(alive.lastIndexOf(true)).toBe(29);
});

test('pages of services, oldest first, are those of the naive list', async () => {
  const { db } = world.control.store;
  const all = { after: undefined, before: undefined, limit: 100, backward: false };
  const [environmentId = ''] = jobs.map((job) => job.environmentId);
  const rows = (await pageServices(db, [environmentId], undefined, all)).get(environmentId) ?? [];
  expect(rows.map(({ id }) => id)).toEqual(parents);
  await fc.assert(
    fc.asyncProperty(asking(parents), async (asked) => {
      const found = await pageServices(db, [environmentId], 'CODE', asked);
      expect(found.get(environmentId) ?? []).toEqual(naive(rows, ({ id }) => id, false, asked));
      expect((await pageServices(db, [environmentId], 'CACHE', asked)).size).toBe(0);
    }),
    { numRuns: 50 },
  );
});

test('rows of two organizations with the same number stay with their own environment', async () => {
  const { control, token, addEnvironment } = world;
  const other = newId();
  await control.store.db.insert(organizations).values({ id: other, name: 'Other' });
  const mine = await addEnvironment('Mine');
  const theirs = newId();
  await control.store.db.transaction(async (tx) => {
    const place = { id: theirs, organizationId: other, podId: control.installation.podId };
    await insertEnvironment(tx, { ...place, name: 'Theirs', namespace: 'theirs', kind: 'SANDBOX' });
    const caller = { ...token.caller, organizationId: other };
    for (let count = 0; count < 4; count++)
      await writeAudit(tx, {
        caller,
        action: 'a',
        environmentId: theirs,
        subjectType: 'Environment',
        subjectId: theirs,
      });
  });
  const all = { after: undefined, before: undefined, limit: 100, backward: false };
  const found = await pageAudit(control.store.db, [mine, theirs], all);
  expect(found.get(theirs)?.map(({ seq }) => seq)).toEqual([4, 3, 2, 1]);
  expect(found.get(mine)?.map(({ environmentId }) => environmentId)).toEqual([mine]);
  const listed = await pageEnvironments(control.store.db, other, null, all);
  expect(listed.map(({ id }) => id)).toEqual([theirs]);
});
