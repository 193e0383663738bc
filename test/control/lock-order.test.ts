// Many mutations at once on one environment and its services: rows are locked in one order, environment first, so that no
// two wait for each other, and what is decided under a lock is still so when it is written. A deadlock that a second try
// would have hidden is counted here.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { refreshAutomaticVariables } from '../../src/control/automatic-variables.ts';
import type { Control } from '../../src/control/control.ts';
import { createService } from '../../src/control/create-service.ts';
import { deleteService } from '../../src/control/delete-service.ts';
import { deleteEnvironment, renameEnvironment } from '../../src/control/environments.ts';
import { enableMaintenance } from '../../src/control/maintenance.ts';
import { redeployService } from '../../src/control/redeploy.ts';
import { createSite, updateSite } from '../../src/control/sites.ts';
import { openSupportTicket, resolveSupportTicket } from '../../src/control/tickets.ts';
import { updateService } from '../../src/control/update-service.ts';
import { setVariables, unsetVariables } from '../../src/control/variables.ts';
import { Conflict, Refusal } from '../../src/errors.ts';
import { change } from '../../src/postgres/change.ts';
import { listEnvironmentsById } from '../../src/postgres/environments.ts';
import { isDeadlock } from '../../src/postgres/open.ts';
import { listServicesById } from '../../src/postgres/services.ts';
import { listVariables } from '../../src/postgres/variables.ts';
import { type ControlWorld, openControl } from '../support/control.ts';

let world: ControlWorld;
let replica: Awaited<ReturnType<ControlWorld['openReplica']>>;
let controls: readonly [Control, Control];
const deadlocks: unknown[] = [];

beforeAll(async () => {
  world = await openControl({ included: ['SERVICE_PROXY'] });
  replica = await world.openReplica();
  controls = [counting(world.control), counting(replica.control)];
});
afterAll(async () => {
  await replica.close();
  await world.close();
});

/** The same, with every deadlock noted before anybody tries again. */
function counting(control: Control): Control {
  const db = new Proxy(control.store.db, {
    get: (target, name) => {
      const own = Reflect.get(target, name);
      if (name !== 'transaction') return own;
      return (work: Parameters<typeof target.transaction>[0]) =>
        target.transaction(work).catch((error: unknown) => {
          if (isDeadlock(error)) deadlocks.push(error);
          throw error;
        });
    },
  });
  return { ...control, store: { ...control.store, db } };
}

async function furnished() {
  const environmentId = await world.addEnvironment();
  const { control, token } = world;
  const code = { environmentId, type: 'CODE' as const };
  const web = await createService(control, token.caller, { ...code, label: 'web' });
  const input = { environmentId, type: 'CACHE' as const, label: 'cache', runtime: 'REDIS' };
  const cache = await createService(control, token.caller, input);
  const variables = [{ name: 'GREETING', value: 'a' }];
  await setVariables(control, token.caller, { serviceId: web.ids.serviceId, variables });
  const [environment] = await listEnvironmentsById(control.store.db, [environmentId]);
  const host = `${environmentId}.example.org`;
  const site = await createSite(control, token.caller, { environmentId, host, serviceId: web.ids.serviceId });
  return {
    environmentId,
    siteId: site.ids.siteId,
    namespace: environment?.namespace ?? '',
    web: web.ids.serviceId,
    cache: cache.ids.serviceId,
  };
}

function somebodyWaits(): Promise<void> {
  const { raw } = world.control.store;
  const waiting = () =>
    raw`select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
  return expect.poll(async () => (await waiting()).length, { timeout: 4_000 }).toBeGreaterThan(0);
}

type Place = Awaited<ReturnType<typeof furnished>>;
type Act = (control: Control, place: Place, round: number) => Promise<unknown>;
const caller = () => world.token.caller;

/** What touches more than one service, or the environment. */
const wide: Record<string, Act> = {
  'renaming the environment': (control, { environmentId }, round) =>
    renameEnvironment(control, caller(), { environmentId, name: `Name ${round}` }),
  'creating a service': (control, { environmentId }, round) =>
    createService(control, caller(), { environmentId, type: 'CACHE', label: `c${round}`, runtime: 'REDIS' }),
  'renaming a service': (control, { cache }, round) =>
    updateService(control, caller(), { serviceId: cache, label: `n${round}` }),
  'creating a code service': (control, { environmentId }, round) =>
    createService(control, caller(), { environmentId, type: 'CODE', label: `a${round}` }),
  'creating a site': (control, { environmentId, web }, round) => {
    const host = `n${round}.${environmentId}.example.org`;
    return createSite(control, caller(), { environmentId, host, serviceId: web });
  },
  'changing a site': (control, { web, siteId }, round) =>
    updateSite(control, caller(), { siteId, serviceId: web, limits: { readSeconds: (round % 60) + 1 } }),
  'putting a service into maintenance': (control, { web }) =>
    enableMaintenance(control, caller(), { serviceId: web }),
  'accepting a ticket': async (control, { environmentId, cache }) => {
    const ticket = { environmentId, kind: 'REDEPLOY' as const, serviceId: cache, text: 'Please' };
    const { ids } = await openSupportTicket(control, caller(), ticket);
    return resolveSupportTicket(control, caller(), { ticketId: ids.ticketId, accept: true });
  },
  'unsetting variables': (control, { web }) =>
    unsetVariables(control, caller(), { serviceId: web, names: ['GREETING'] }),
  'deleting a service': (control, { web }) =>
    deleteService(control, caller(), { serviceId: web, confirm: 'web' }),
  'deleting the environment': (control, { environmentId, namespace }) =>
    deleteEnvironment(control, caller(), { environmentId, confirm: namespace }),
};

describe('waiting for its environment', () => {
  test.each(Object.entries(wide))('%s holds no service', async (_name, act) => {
    const place = await furnished();
    const { db, raw } = world.control.store;
    let acting: Promise<unknown> = Promise.resolve();
    await raw.begin(async (holder) => {
      await holder`select 1 from environments where id = ${place.environmentId} for no key update`;
      acting = act(controls[0], place, 1);
      acting.catch(() => {});
      await somebodyWaits();
      await db.transaction(async (tx) => {
        await tx.execute(
          `select 1 from services where environment_id = '${place.environmentId}' for update nowait`,
        );
      });
    });
    await acting;
  });
});

/** Errors that are no refusals. */
function faultsOf(results: readonly PromiseSettledResult<unknown>[]): unknown[] {
  return results.flatMap((result) =>
    result.status === 'rejected' && !(result.reason instanceof Refusal) ? [result.reason] : [],
  );
}

/** Names that bringing the automatic variables up to date would still change. */
async function outdated(environmentId: string): Promise<string[]> {
  const [environment] = await listEnvironmentsById(world.control.store.db, [environmentId]);
  const told: string[] = [];
  await change(world.control, async (current) => {
    const watched = { ...current, emit: (event: { message: string }) => void told.push(event.message) };
    if (environment !== undefined) await refreshAutomaticVariables(world.control, watched, environment);
  });
  return told;
}

test('everything at once: no deadlock, no fault, and variables that fit the services there are', async () => {
  const narrow: Act[] = [
    (control, { cache }) => redeployService(control, caller(), { serviceId: cache }),
    (control, { web }, round) => {
      const variables = [{ name: 'GREETING', value: `${round}` }];
      return setVariables(control, caller(), { serviceId: web, variables });
    },
    (control, { cache }, round) => updateService(control, caller(), { serviceId: cache, scale: round % 3 }),
  ];
  const { 'deleting the environment': last, 'deleting a service': deleting, ...others } = wide;
  const acts = [...Object.values(others), ...narrow];
  for (let round = 0; round < 4; round++) {
    const place = await furnished();
    const started = acts.flatMap((act, index) =>
      controls.map((control, which) => act(control, place, round * 100 + index * 2 + which)),
    );
    if (deleting !== undefined && round % 2 === 1) started.push(deleting(controls[0], place, round));
    if (last !== undefined && round === 3) started.push(last(controls[1], place, round));
    expect(faultsOf(await Promise.allSettled(started))).toEqual([]);
    expect(await outdated(place.environmentId)).toEqual([]);
    const open = await world.control.store.raw`select service_id from redeploys
      where environment_id = ${place.environmentId} and state in ('QUEUED', 'RUNNING') group by 1 having count(*) > 1`;
    expect([...open]).toEqual([]);
  }
  expect(deadlocks).toEqual([]);
}, 90_000);

test('a name that a user sets while a database would bring it is the one or the other, never both', async () => {
  for (let round = 0; round < 12; round++) {
    const { environmentId, web } = await furnished();
    const variables = [{ name: 'RECORDS_URL', value: 'mine' }];
    const input = { environmentId, type: 'DATABASE' as const, label: 'records', runtime: 'POSTGRESQL' };
    const [setting, creating] = await Promise.allSettled([
      setVariables(controls[0], caller(), { serviceId: web, variables }),
      createService(controls[1], caller(), input),
    ]);
    expect(creating.status).toBe('fulfilled');
    if (setting.status === 'rejected') expect(setting.reason).toBeInstanceOf(Conflict);
    const rows = (await listVariables(world.control.store.db, [web])).get(web) ?? [];
    const source = rows.find(({ name }) => name === 'RECORDS_URL')?.source;
    expect([round, setting.status, source]).toEqual([
      round,
      setting.status,
      setting.status === 'fulfilled' ? 'USER' : 'AUTOMATIC',
    ]);
  }
  expect(deadlocks).toEqual([]);
});

test('a user who sets a name is seen by the database that comes right after, held up or not', async () => {
  const { environmentId, web } = await furnished();
  const input = { environmentId, type: 'DATABASE' as const, label: 'records', runtime: 'POSTGRESQL' };
  let creating: Promise<unknown> = Promise.resolve();
  await change(controls[0], async (current) => {
    // As a mutation that sets a variable does: the service first, then its variables.
    await current.tx.execute(`select 1 from services where id = '${web}' for no key update`);
    creating = createService(controls[1], caller(), input);
    creating.catch(() => {});
    await somebodyWaits();
    await current.tx.execute(`insert into variables (service_id, name, source, secret_id, digest, updated_by)
      select service_id, 'RECORDS_URL', 'USER', secret_id, digest, updated_by from variables
      where service_id = '${web}' and name = 'GREETING'`);
  });
  await creating;
  const rows = (await listVariables(world.control.store.db, [web])).get(web) ?? [];
  expect(rows.find(({ name }) => name === 'RECORDS_URL')?.source).toBe('USER');
  expect((await listServicesById(world.control.store.db, [web]))[0]?.deletedAt).toBeNull();
  expect(deadlocks).toEqual([]);
});
