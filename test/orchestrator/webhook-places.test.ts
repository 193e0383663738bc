// How webhooks share the places of sending: those whose receivers fail take half of them and no more.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { deleteWebhook } from '../../src/control/webhooks.ts';
import { listWebhooksById } from '../../src/postgres/webhooks.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import { closeReceivers, hooked, receiver, rename } from '../support/webhook-receiver.ts';
import { openWorld, until, type World } from '../support/world.ts';

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

const webhookOf = async (id: string) => (await listWebhooksById(world.control.store.db, [id]))[0];

test('failing receivers have half of the places, and a turn of theirs ends with a failed try', async () => {
  const hanging = await receiver(() => {});
  const slow = await Promise.all(Array.from({ length: 20 }, () => hooked(world, hanging.url)));
  const { raw } = world.control.store;
  await raw`update webhooks set failing_since = now() where url = ${hanging.url}`;
  for (const { environmentId } of slow) await rename(world, environmentId, 'slow');
  await until(
    'their places are taken',
    async () => hanging.got,
    (got) => got.length >= 8,
  );
  const to = await receiver((_request, response) => response.writeHead(500).end());
  const { environmentId, webhookId } = await hooked(world, to.url);
  await raw`update webhooks set enabled = false where id = ${webhookId}`;
  for (const name of ['a', 'b', 'c', 'd']) await rename(world, environmentId, name);
  await raw`update webhooks set enabled = true where id = ${webhookId}`;
  await until(
    'a healthy one is sent to meanwhile',
    async () => to.got,
    (got) => got.length > 0,
  );
  expect(hanging.got).toHaveLength(8);
  for (const each of slow) await deleteWebhook(world.control, world.caller, { webhookId: each.webhookId });
  const row = await until(
    'it is disabled',
    () => webhookOf(webhookId),
    (found) => found?.enabled === false,
    40_000,
  );
  expect(to.got.length).toBeLessThanOrEqual(row?.claim ?? 0);
}, 90_000);
