// Two services of one environment whose steps ask for each other, as a code service and its proxy do at every switch: neither
// waits for the other in a ring, and the prolonging of leases doesn't either. Nothing is carried out here but the writing.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { type Hold, leaseFrom, write } from '../../src/orchestrator/deps.ts';
import {
  type Claim,
  claimServices,
  joinReplicas,
  type Replica,
  renewLeases,
} from '../../src/postgres/replicas.ts';
import { markDue } from '../../src/postgres/services.ts';
import { type ControlWorld, openControl } from '../support/control.ts';

/** Long enough for the other to have its own row, where nothing keeps it from it. */
const headStartMs = 200;

let world: ControlWorld;
let replica: Replica;
let claims: Claim[];

beforeAll(async () => {
  world = await openControl();
  const { control, token } = world;
  const environmentId = await world.addEnvironment();
  const ids: string[] = [];
  for (const label of ['one', 'two']) {
    const made = await createService(control, token.caller, { environmentId, type: 'CODE', label });
    ids.push(made.ids.serviceId);
  }
  await markDue(control.store.db, ids);
  replica = await joinReplicas(control.store, () => {});
  claims = [];
  for (const _id of ids) {
    const attended = claims.map((claim) => claim.serviceId);
    const [claim] = await claimServices(control.store, replica, attended, 1);
    if (claim !== undefined) claims.push(claim);
  }
});
afterAll(async () => {
  await replica?.close();
  await world?.close();
});

async function deadlocks(): Promise<number> {
  const { raw } = world.control.store;
  const [row] = await raw`select deadlocks from pg_stat_database where datname = current_database()`;
  return Number(row?.deadlocks);
}

/** A step of one service that asks for the other. */
function step(claim: Claim, others: readonly Claim[]): Promise<void> {
  const deps = { ...world.control, replica } as unknown as Hold['deps'];
  const { signal } = new AbortController();
  return write({ deps, claim, signal, lease: leaseFrom(performance.now()) }, async ({ tx }) => {
    // Its own row is locked from here on.
    await markDue(tx, [claim.serviceId]);
    await sleep(headStartMs);
    const ids = others.map((other) => other.serviceId);
    await markDue(tx, ids);
  });
}

test('steps that ask for each other end one after the other, and leases are prolonged meanwhile', async () => {
  const [one, two] = claims;
  if (one === undefined || two === undefined) throw new Error('two services were to be claimed');
  const store = world.control.store;
  // Once while the first of the rows is locked and the second free, once the other way round.
  const renewals = [0.5, 1.5].map((part) =>
    sleep(headStartMs * part).then(() => renewLeases(store, replica, claims)),
  );
  await Promise.all([step(one, [two]), step(two, [one])]);
  const held = await Promise.all(renewals);
  expect(held.map((each) => each.size)).toEqual([2, 2]);
  expect(await deadlocks()).toBe(0);
});
