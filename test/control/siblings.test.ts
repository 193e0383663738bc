// What comes and goes beside a service changes its automatic variables: its clients are told in the same transaction, by an
// event of its own and by its revision; services that nothing changes for are left alone.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createService, type ServiceInput } from '../../src/control/create-service.ts';
import { deleteService } from '../../src/control/delete-service.ts';
import { updateService } from '../../src/control/update-service.ts';
import { setVariables, unsetVariables } from '../../src/control/variables.ts';
import { listServicesById } from '../../src/postgres/services.ts';
import { listVariables } from '../../src/postgres/variables.ts';
import { type ControlWorld, openControl } from '../support/control.ts';

let world: ControlWorld;
beforeAll(async () => {
  world = await openControl();
});
afterAll(() => world.close());

async function make(environmentId: string, input: ServiceInput): Promise<string> {
  const { ids } = await createService(world.control, world.token.caller, { ...input, environmentId });
  return ids.serviceId;
}

const records = { type: 'DATABASE', label: 'records', runtime: 'POSTGRESQL' } as const;
const recordsVariables = [
  'DATABASE_URL',
  'PGDATABASE',
  'PGHOST',
  'PGPASSWORD',
  'PGPORT',
  'PGUSER',
  'RECORDS_URL',
];

async function revisionOf(serviceId: string): Promise<number> {
  const [row] = await listServicesById(world.control.store.db, [serviceId]);
  if (row === undefined) throw new Error('no such service');
  return row.revision;
}

async function namesOf(serviceId: string): Promise<string[]> {
  const rows = (await listVariables(world.control.store.db, [serviceId])).get(serviceId) ?? [];
  return rows.filter(({ source }) => source === 'AUTOMATIC').map(({ name }) => name);
}

/** Runs `work`, and tells which services were told of changed variables and by how much their revisions grew. */
async function effectOn(environmentId: string, serviceIds: readonly string[], work: () => Promise<unknown>) {
  const { log } = world.control;
  const from = (await log.state(environmentId))?.lastSeq ?? 0;
  const before = await Promise.all(serviceIds.map(revisionOf));
  await work();
  const after = await Promise.all(serviceIds.map(revisionOf));
  const events = await log.read(environmentId, from, 100, { fromTable: true });
  const changed = events.filter(({ type }) => type === 'VARIABLES_CHANGED');
  return serviceIds.map((id, index) => ({
    grown: (after[index] ?? 0) > (before[index] ?? 0),
    told: changed.flatMap(({ serviceId, data }) => {
      const { set, unset } = data as { set: string[]; unset: string[] };
      return serviceId === id ? [{ set: set.toSorted(), unset: unset.toSorted() }] : [];
    }),
  }));
}

const untouched = { grown: false, told: [] };

test('a database that comes and goes is told to every code service, and to nobody else', async () => {
  const environmentId = await world.addEnvironment();
  const web = await make(environmentId, { type: 'CODE', label: 'web' });
  const api = await make(environmentId, { type: 'CODE', label: 'api' });
  const cache = await make(environmentId, { type: 'CACHE', label: 'cache', runtime: 'REDIS' });
  const other = await make(await world.addEnvironment(), { type: 'CODE', label: 'web' });
  const all = [web, api, cache, other];
  const created = await effectOn(environmentId, all, () => make(environmentId, records));
  const told = { grown: true, told: [{ set: recordsVariables, unset: [] }] };
  expect(created).toEqual([told, told, untouched, untouched]);
  const [service] = (await world.control.store.raw`
    select id from services where environment_id = ${environmentId} and label = 'records'`) as unknown as {
    id: string;
  }[];
  const deleted = await effectOn(environmentId, all, () =>
    deleteService(world.control, world.token.caller, { serviceId: service?.id ?? '', confirm: 'records' }),
  );
  const goodbye = { grown: true, told: [{ set: [], unset: recordsVariables }] };
  expect(deleted).toEqual([goodbye, goodbye, untouched, untouched]);
  expect(await namesOf(web)).not.toContain('DATABASE_URL');
});

test('a cache as well; the second of a kind brings its own address only', async () => {
  const environmentId = await world.addEnvironment();
  const web = await make(environmentId, { type: 'CODE', label: 'web' });
  const redis = (label: string) => make(environmentId, { type: 'CACHE', label, runtime: 'REDIS' });
  const [first] = await effectOn(environmentId, [web], () => redis('sessions'));
  expect(first?.told[0]?.set).toContain('SESSIONS_URL');
  expect(first?.told[0]?.set).toContain('REDIS_URL');
  const [second] = await effectOn(environmentId, [web], () => redis('pages'));
  expect(second).toEqual({ grown: true, told: [{ set: ['PAGES_URL'], unset: [] }] });
});

test('the next of a kind takes over the customary names of one that goes', async () => {
  const environmentId = await world.addEnvironment();
  const web = await make(environmentId, { type: 'CODE', label: 'web' });
  const first = await make(environmentId, records);
  await make(environmentId, { ...records, label: 'archive' });
  const [seen] = await effectOn(environmentId, [web], () =>
    deleteService(world.control, world.token.caller, { serviceId: first, confirm: 'records' }),
  );
  expect(seen?.told[0]?.unset).toEqual(['RECORDS_URL']);
  expect(seen?.told[0]?.set).toContain('DATABASE_URL');
  expect(await namesOf(web)).toEqual(expect.arrayContaining(['ARCHIVE_URL', 'DATABASE_URL', 'PGHOST']));
});

test('a new label is told, and a name that a user has set stays what it was', async () => {
  const { control, token } = world;
  const environmentId = await world.addEnvironment();
  const web = await make(environmentId, { type: 'CODE', label: 'web' });
  const variables = [{ name: 'RECORDS_URL', value: 'mine' }];
  await setVariables(control, token.caller, { serviceId: web, variables });
  const serviceId = await make(environmentId, records);
  expect(await namesOf(web)).not.toContain('RECORDS_URL');
  const [renamed] = await effectOn(environmentId, [web], () =>
    updateService(control, token.caller, { serviceId, label: 'files' }),
  );
  expect(renamed).toEqual({ grown: true, told: [{ set: ['FILES_URL'], unset: [] }] });
  await updateService(control, token.caller, { serviceId, label: 'records' });
  await unsetVariables(control, token.caller, { serviceId: web, names: ['RECORDS_URL'] });
  expect(await namesOf(web)).toContain('RECORDS_URL');
});

test('another code service changes nothing for those beside it', async () => {
  const environmentId = await world.addEnvironment();
  const old = await make(environmentId, { type: 'CODE', label: 'old' });
  const [seen] = await effectOn(environmentId, [old], () =>
    make(environmentId, { type: 'CODE', label: 'new' }),
  );
  expect(seen).toEqual(untouched);
});
