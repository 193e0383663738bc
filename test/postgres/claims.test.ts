// Claims on services: one replica at a time, taken over at once from the dead and never from the living, and nothing asked
// for meanwhile is lost.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { newId } from '../../src/ids.ts';
import { change } from '../../src/postgres/change.ts';
import { openStore } from '../../src/postgres/open.ts';
import {
  type Claim,
  claimServices,
  holdLease,
  joinReplicas,
  LeaseLost,
  pruneReplicas,
  type Replica,
  releaseService,
  renewLeases,
} from '../../src/postgres/replicas.ts';
import { listServicesById, markDue } from '../../src/postgres/services.ts';
import { type ControlWorld, openControl } from '../support/control.ts';

let world: ControlWorld;
let replicas: Replica[] = [];

beforeEach(async () => {
  world = await openControl();
});

afterEach(async () => {
  for (const replica of replicas) await replica.close();
  replicas = [];
  await world.close();
});

async function join(onLost: () => void = () => {}): Promise<Replica> {
  const replica = await joinReplicas(world.control.store, onLost);
  replicas.push(replica);
  return replica;
}

async function addServices(count: number): Promise<string[]> {
  const environmentId = await world.addEnvironment(`E ${newId()}`);
  const ids: string[] = [];
  for (let number = 0; number < count; number++) {
    const input = { environmentId, type: 'CODE' as const, label: `s-${number}` };
    ids.push((await createService(world.control, world.token.caller, input)).ids.serviceId);
  }
  await markDue(world.control.store.db, ids);
  return ids;
}

async function claimAll(replica: Replica, attended: readonly string[] = []): Promise<Claim[]> {
  const claims: Claim[] = [];
  for (;;) {
    const held = [...attended, ...claims.map(({ serviceId }) => serviceId)];
    const [claim] = await claimServices(world.control.store, replica, held, 1);
    if (claim === undefined) return claims;
    claims.push(claim);
  }
}

const rowOf = async (id: string) => (await listServicesById(world.control.store.db, [id]))[0];

test('two replicas that claim at the same time never both hold a service, and miss none', async () => {
  const ids = await addServices(30);
  const claims = (await Promise.all([claimAll(await join()), claimAll(await join())])).flat();
  expect(claims.map(({ serviceId }) => serviceId).toSorted()).toEqual(ids.toSorted());
});

test('what a living replica holds is not taken, and what a dead one held is taken at once', async () => {
  const ids = await addServices(3);
  const [first, second] = [await join(), await join()];
  expect((await claimAll(first)).length).toBe(3);
  expect(await claimAll(second)).toEqual([]);
  await world.control.store.raw`
    select pg_terminate_backend(pid) from pg_locks
    where locktype = 'advisory' and objid = ${first.number} and classid = 7226002`;
  const died = performance.now();
  await vi.waitFor(async () => expect((await claimAll(second)).length).toBeGreaterThan(0), { interval: 20 });
  expect(performance.now() - died).toBeLessThan(1_000);
  expect((await rowOf(ids[0] ?? ''))?.leaseHolder).toBe(second.number);
});

test('a lease that ran out is taken, and its former holder is told by the epoch', async () => {
  await addServices(1);
  const [first, second] = [await join(), await join()];
  const [claim] = await claimAll(first);
  if (claim === undefined) throw new Error('nothing was claimed');
  await world.control.store.raw`update services set lease_until = now() - interval '1 second'`;
  expect(await renewLeases(world.control.store, first, [claim])).toEqual(new Set([claim.serviceId]));
  await world.control.store.raw`update services set lease_until = now() - interval '1 second'`;
  const [taken] = await claimAll(second);
  expect(taken).toMatchObject({ serviceId: claim.serviceId, epoch: claim.epoch + 1 });
  expect(await renewLeases(world.control.store, first, [claim])).toEqual(new Set());

  const write = (replica: Replica, held: Claim) =>
    change(world.control, async ({ tx }) => {
      await holdLease(tx, replica, held);
    });
  await expect(write(first, claim)).rejects.toThrow(LeaseLost);
  await expect(write(second, claim)).rejects.toThrow(LeaseLost);
  await write(second, { ...claim, epoch: claim.epoch + 1 });
  await releaseService(world.control.store, first, claim, 0, null);
  expect((await rowOf(claim.serviceId))?.leaseHolder).toBe(second.number);
});

test('a replica that begins again what it does not attend to takes its own claim anew', async () => {
  await addServices(1);
  const replica = await join();
  const [claim] = await claimAll(replica);
  expect(await claimAll(replica, [claim?.serviceId ?? ''])).toEqual([]);
  expect(await claimAll(replica)).toMatchObject([
    { serviceId: claim?.serviceId, epoch: (claim?.epoch ?? 0) + 1 },
  ]);
});

test('what was asked for while a service was attended to makes it due again; otherwise it rests until its time', async () => {
  const [id = ''] = await addServices(1);
  const replica = await join();
  const attendAndRelease = async (meanwhile: () => Promise<void>, dueAt: Date | null) => {
    const [claim] = await claimAll(replica);
    if (claim === undefined) throw new Error('nothing was due');
    const seen = (await rowOf(id))?.attention ?? -1;
    await meanwhile();
    await releaseService(world.control.store, replica, claim, seen, dueAt);
  };
  await attendAndRelease(async () => {}, null);
  expect(await claimAll(replica)).toEqual([]);
  await markDue(world.control.store.db, [id]);
  await attendAndRelease(() => markDue(world.control.store.db, [id]), null);
  await attendAndRelease(async () => {}, new Date(Date.now() + 60_000));
  expect(await claimAll(replica)).toEqual([]);
  expect((await rowOf(id))?.dueAt?.getTime()).toBeGreaterThan(Date.now() + 50_000);
  await markDue(world.control.store.db, [id]);
  expect((await claimAll(replica)).length).toBe(1);
});

test('a replica whose sign of life was cut is told, and lives on under a new one', async () => {
  const lost = vi.fn();
  const replica = await join(lost);
  const cut = () => world.control.store.raw`
    select pg_terminate_backend(pid) from pg_locks
    where locktype = 'advisory' and objid = ${replica.number} and classid = 7226002`;
  await cut();
  await vi.waitFor(() => expect(lost).toHaveBeenCalled(), { timeout: 10_000 });
  const held = () => world.control.store.raw`
    select 1 from pg_locks where locktype = 'advisory' and objid = ${replica.number} and classid = 7226002`;
  await vi.waitFor(async () => expect((await held()).length).toBe(1), { timeout: 10_000 });
});

test('rows of dead replicas go once they hold nothing; those of the living and of the starting stay', async () => {
  const [id = ''] = await addServices(1);
  const living = await join();
  const { raw } = world.control.store;
  await raw`update replicas set started_at = now() - interval '1 day'`;
  await raw`insert into replicas (host) values ('starting')`;
  await raw`insert into replicas (host, started_at)
    select host, now() - interval '1 day' from unnest('{dead,dead,holder}'::text[]) as host`;
  await raw`update services set lease_holder = (select number from replicas where host = 'holder') where id = ${id}`;
  const hosts = async () => {
    await pruneReplicas(world.control.store);
    const rows = await raw`select number, host from replicas order by number`;
    return rows.map(({ number, host }) => (number === living.number ? 'living' : host));
  };
  expect(await hosts()).toEqual(['living', 'starting', 'holder']);
  await raw`update services set lease_holder = null`;
  expect(await hosts()).toEqual(['living', 'starting']);
});

test('services that are changed crosswise at the same time end without a fault', async () => {
  const { control, token } = world;
  const store = openStore(control.store.url);
  const environmentId = await world.addEnvironment('Crosswise');
  const other = { ...control, store };
  const code = await createService(control, token.caller, { environmentId, type: 'CODE', label: 'web' });
  const replica = await join();
  await markDue(store.db, [code.ids.serviceId]);
  const [claim] = await claimAll(replica);
  if (claim === undefined) throw new Error('nothing was due');
  const creating = Array.from({ length: 15 }, (_, number) =>
    createService(other, token.caller, {
      environmentId,
      type: 'CACHE',
      label: `c-${number}`,
      runtime: 'REDIS',
    }),
  );
  const held = Array.from({ length: 60 }, () =>
    change(control, async ({ tx, emit }) => {
      await holdLease(tx, replica, claim);
      await tx.execute(`insert into jobs (id, environment_id, service_id, type, state, image)
        values ('${newId()}', '${environmentId}', '${claim.serviceId}', 'TASK', 'SCHEDULED', '')`);
      emit({ environmentId, type: 'ENVIRONMENT_RENAMED', data: { name: 'a' }, message: 'a' });
    }),
  );
  await Promise.all([...creating, ...held]);
  const [deadlocks] = await control.store
    .raw`select deadlocks from pg_stat_database where datname = current_database()`;
  expect(Number(deadlocks?.deadlocks)).toBe(0);
  await store.close();
});
