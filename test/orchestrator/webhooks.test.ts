// Webhooks against real receivers: each event once and in order, signed as the specification's own library wants it, tried
// again by the rules, with a dead receiver costing nobody else; nothing is lost when the sender dies.
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { writeCursor } from '../../src/control/cursors.ts';
import {
  deleteWebhook,
  replayWebhook,
  resendWebhookDelivery,
  rotateWebhookSecret,
  updateWebhook,
} from '../../src/control/webhooks.ts';
import type { DeliveryRow } from '../../src/postgres/webhooks.ts';
import { listAttempts, listWebhooksById, pageDeliveries } from '../../src/postgres/webhooks.ts';
import { openPlane, type Plane } from '../support/plane.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import { closeReceivers, hooked, receiver, rename } from '../support/webhook-receiver.ts';
import { newEnvironment, openWorld, until, type World } from '../support/world.ts';

const settings = { webhookNetworks: ['127.0.0.0/8'], webhookRetrySeconds: [0.1, 0.1] };

let database: FreshDatabase;
let world: World;

beforeAll(async () => {
  database = await freshDatabase();
  world = await openWorld(database.url, { settings });
}, 60_000);
afterAll(async () => {
  await world?.close();
  await database?.drop();
});
afterEach(closeReceivers);

async function deliveriesOf(webhookId: string): Promise<DeliveryRow[]> {
  const request = { limit: 100, after: undefined, before: undefined, fromEnd: false };
  const pages = await pageDeliveries(world.control.store.db, [webhookId], request as never);
  return (pages.get(webhookId) ?? []).toSorted((a, b) => a.seq - b.seq);
}

const webhookOf = async (id: string) => (await listWebhooksById(world.control.store.db, [id]))[0];
const states = (rows: readonly DeliveryRow[]) => rows.map(({ state }) => state);

test('events arrive once, in order, signed, as the stream gives them', async () => {
  const to = await receiver();
  const { environmentId, webhookId, secret } = await hooked(world, to.url);
  const made: string[] = [];
  for (let n = 0; n < 20; n++)
    made.push(writeCursor((await rename(world, environmentId, `Name ${n}`)).position));
  await until(
    'all are there',
    async () => to.got,
    (got) => got.length >= 20,
    20_000,
  );
  expect(to.got.map(({ data }) => data.cursor)).toEqual(made);
  for (const { body, headers } of to.got)
    expect(new Webhook(secret).verify(body, headers)).toMatchObject({
      type: 'ENVIRONMENT_RENAMED',
      timestamp: expect.any(String),
      data: { environmentId: expect.any(String), message: expect.stringContaining('Name') },
    });
  expect(new Set(to.got.map(({ id }) => id)).size).toBe(20);
  const rows = await until(
    'all are recorded',
    () => deliveriesOf(webhookId),
    (found) => states(found).every((state) => state === 'SUCCEEDED'),
  );
  expect(rows).toHaveLength(20);
  expect(rows.every(({ tries, dueAt, endedAt }) => tries === 1 && dueAt === null && endedAt !== null)).toBe(
    true,
  );
});

test('a failed try is made again with the same id, and later events do not wait for it', async () => {
  const to = await receiver();
  const { environmentId, webhookId } = await hooked(world, to.url);
  to.answer = (_request, response) => {
    response.statusCode = to.got.length === 1 ? 500 : 204;
    response.end('sorry');
  };
  await rename(world, environmentId, 'bad');
  await rename(world, environmentId, 'good');
  const rows = await until(
    'both have succeeded',
    () => deliveriesOf(webhookId),
    (found) => found.length === 2 && states(found).every((state) => state === 'SUCCEEDED'),
  );
  expect(rows.map(({ tries }) => tries)).toEqual([2, 1]);
  const [bad] = rows;
  expect(bad?.seq).toBeLessThan(rows[1]?.seq ?? 0);
  expect(to.got.filter(({ id }) => id === to.got[0]?.id)).toHaveLength(2);
  const attempts = (await listAttempts(world.control.store.db, [bad?.id ?? ''])).get(bad?.id ?? '');
  expect(attempts).toMatchObject([
    { number: 2, status: 204, error: null },
    { number: 1, status: 500, answer: 'sorry', error: 'the answer was 500' },
  ]);
  expect(await webhookOf(webhookId)).toMatchObject({ enabled: true, failingSince: null });
});

test('after its last try, and at once by 410, a webhook is disabled, which is told; enabled again nothing is lost', async () => {
  for (const [status, tries, reason] of [
    [503, 3, 'EXHAUSTED'],
    [410, 1, 'GONE'],
  ] as const) {
    const to = await receiver((_request, response) => response.writeHead(status).end());
    const { environmentId, webhookId } = await hooked(world, to.url, [
      'ENVIRONMENT_RENAMED',
      'WEBHOOK_DISABLED',
    ]);
    await rename(world, environmentId, 'first');
    await until(
      'it is disabled',
      () => webhookOf(webhookId),
      (row) => row?.enabled === false,
      20_000,
    );
    expect(await webhookOf(webhookId)).toMatchObject({ disabledReason: reason });
    expect(to.got).toHaveLength(tries);
    await rename(world, environmentId, 'meanwhile');
    to.answer = (_request, response) => response.end();
    await updateWebhook(world.control, world.caller, { webhookId, enabled: true });
    await until(
      'what has happened is sent',
      async () => to.got,
      (got) => got.length >= tries + 2,
      20_000,
    );
    expect(to.got.slice(tries).map(({ type }) => type)).toEqual(['WEBHOOK_DISABLED', 'ENVIRONMENT_RENAMED']);
    const [failed] = await deliveriesOf(webhookId);
    expect(failed).toMatchObject({ state: 'FAILED', tries });
    await resendWebhookDelivery(world.control, world.caller, { deliveryId: failed?.id ?? '' });
    await until(
      'it is sent again',
      async () => to.got,
      (got) => got.length === tries + 3,
      20_000,
    );
    expect(to.got.at(-1)?.id).toBe(to.got[0]?.id);
  }
});

test('while a secret is replaced both verify, and then the new one alone', async () => {
  const to = await receiver();
  const { environmentId, webhookId, secret: former } = await hooked(world, to.url);
  const { ids } = await rotateWebhookSecret(world.control, world.caller, { webhookId });
  await rename(world, environmentId, 'both');
  await until(
    'it came',
    async () => to.got,
    (got) => got.length === 1,
  );
  const [both] = to.got;
  for (const each of [former, ids.secret])
    expect(new Webhook(each).verify(both?.body ?? '', both?.headers ?? {})).toBeDefined();
  const last = await rotateWebhookSecret(world.control, world.caller, { webhookId, overlapSeconds: 0 });
  await rename(world, environmentId, 'one');
  await until(
    'it came',
    async () => to.got,
    (got) => got.length === 2,
  );
  const one = to.got[1];
  expect(new Webhook(last.ids.secret).verify(one?.body ?? '', one?.headers ?? {})).toBeDefined();
  for (const each of [former, ids.secret])
    expect(() => new Webhook(each).verify(one?.body ?? '', one?.headers ?? {})).toThrow();
});

test('events are sent again from a cursor on, with the ids they had, and not beyond what others see', async () => {
  const to = await receiver();
  const { environmentId, webhookId } = await hooked(world, to.url);
  const positions = [];
  for (const name of ['a', 'b', 'c']) positions.push((await rename(world, environmentId, name)).position);
  await until(
    'all came',
    async () => to.got,
    (got) => got.length === 3,
  );
  const after = writeCursor(positions[0] ?? { environmentId, epoch: '', seq: 0 });
  await replayWebhook(world.control, world.caller, { webhookId, after });
  await until(
    'two came again',
    async () => to.got,
    (got) => got.length === 5,
  );
  expect(to.got.slice(3).map(({ id }) => id)).toEqual(to.got.slice(1, 3).map(({ id }) => id));
  const elsewhere = await newEnvironment(world);
  const { position } = await rename(world, elsewhere, 'other');
  const foreign = { webhookId, after: writeCursor(position) };
  await expect(replayWebhook(world.control, world.caller, foreign)).rejects.toMatchObject({
    code: 'INVALID',
  });
});

test('what the log no longer has is told of, never passed over', async () => {
  const to = await receiver();
  const { environmentId, webhookId } = await hooked(world, to.url);
  await updateWebhook(world.control, world.caller, { webhookId, enabled: false });
  for (const name of ['a', 'b', 'c']) await rename(world, environmentId, name);
  await world.control.store.raw`delete from events where environment_id = ${environmentId} and seq in (
    select seq from events where environment_id = ${environmentId} order by seq desc offset 1)`;
  await updateWebhook(world.control, world.caller, { webhookId, enabled: true });
  await until(
    'both came',
    async () => to.got,
    (got) => got.length === 2,
  );
  expect(to.got.map(({ type }) => type)).toEqual(['GAP', 'ENVIRONMENT_RENAMED']);
});

test('a receiver that hangs holds up no other, and a removed webhook is sent nothing', async () => {
  const hanging = await receiver(() => {});
  const slow = await Promise.all(Array.from({ length: 20 }, () => hooked(world, hanging.url)));
  await Promise.all(slow.map(({ environmentId }) => rename(world, environmentId, 'slow')));
  await until(
    'it is asked',
    async () => hanging.got,
    (got) => got.length > 0,
  );
  const to = await receiver();
  const { environmentId } = await hooked(world, to.url);
  await rename(world, environmentId, 'quick');
  await until(
    'it came meanwhile',
    async () => to.got,
    (got) => got.length === 1,
    40_000,
  );
  for (const { webhookId } of slow) await deleteWebhook(world.control, world.caller, { webhookId });
  const gone = slow[0];
  hanging.answer = (_request, response) => response.end();
  await rename(world, gone?.environmentId ?? '', 'gone');
  await rename(world, environmentId, 'later');
  await until(
    'what happened later came',
    async () => to.got,
    (got) => got.length === 2,
    40_000,
  );
  expect(hanging.got.filter(({ data }) => data.message.includes('gone'))).toEqual([]);
  expect(await webhookOf(gone?.webhookId ?? '')).toBeUndefined();
}, 90_000);

test('two replicas send each once, and what was sent when one died is sent again with its id', async () => {
  const to = await receiver();
  const { environmentId, webhookId } = await hooked(world, to.url);
  let other: Plane | undefined = await openPlane({
    ...{ url: database.url, dataDirectory: world.dataDirectory, settings },
  });
  try {
    for (let n = 0; n < 30; n++) await rename(world, environmentId, `Name ${n}`);
    await until(
      'all came',
      async () => to.got,
      (got) => got.length >= 30,
      20_000,
    );
    await until(
      'all are recorded',
      () => deliveriesOf(webhookId),
      (found) => states(found).every((state) => state === 'SUCCEEDED'),
    );
    expect(new Set(to.got.map(({ id }) => id)).size).toBe(30);
    expect(to.got).toHaveLength(30);
  } finally {
    await other?.close();
    other = undefined;
  }
  // Answered, and its record refused: as if the sender had died between the two.
  const { raw } = world.control.store;
  await raw`create function refuse_attempt() returns trigger language plpgsql as $$ begin raise exception 'dead'; end $$`;
  await raw`create trigger refusing before insert on webhook_attempts for each row execute function refuse_attempt()`;
  await rename(world, environmentId, 'twice');
  await until(
    'it was sent',
    async () => to.got,
    (got) => got.length >= 31,
  );
  await raw`drop trigger refusing on webhook_attempts`;
  await until(
    'it is sent again and recorded',
    () => deliveriesOf(webhookId),
    (found) => found.at(-1)?.state === 'SUCCEEDED',
    90_000,
  );
  expect(new Set(to.got.slice(30).map(({ id }) => id)).size).toBe(1);
  expect(to.got.length).toBeGreaterThan(31);
}, 150_000);
