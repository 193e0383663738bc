// The same key has one effect, however often and wherever it is sent at once; and it is the sender's own.
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { requestCertificate, uploadCertificate } from '../../src/control/certificates.ts';
import type { Control, Mutated } from '../../src/control/control.ts';
import { createService } from '../../src/control/create-service.ts';
import { createEnvironment } from '../../src/control/environments.ts';
import { redeployService } from '../../src/control/redeploy.ts';
import { createSite } from '../../src/control/sites.ts';
import { openSupportTicket } from '../../src/control/tickets.ts';
import { createToken } from '../../src/control/tokens.ts';
import { Conflict } from '../../src/errors.ts';
import { type Api, openApi } from '../support/api.ts';
import { bringCertificate } from '../support/certificate.ts';

let api: Api;
let others: { readonly control: Control; close(): Promise<void> }[];

beforeAll(async () => {
  api = await openApi();
  others = [await api.world.openReplica(), await api.world.openReplica()];
});

afterAll(async () => {
  for (const other of others) await other.close();
  await api.close();
});

/** A hundred times at once, over three replicas; answers with what was different. */
async function hundredTimes<T>(call: (control: Control) => Promise<T>): Promise<T[]> {
  const replicas = [api, ...others];
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, number) => call((replicas[number % replicas.length] ?? api).control)),
  );
  return answers.filter(
    (answer, index) => answers.findIndex((each) => isDeepStrictEqual(each, answer)) === index,
  );
}

async function grown(before: Record<string, number>): Promise<Record<string, number>> {
  const after = await api.counts();
  return Object.fromEntries(
    Object.entries(after).flatMap(([table, rows]) =>
      rows === before[table] ? [] : [[table, rows - (before[table] ?? 0)]],
    ),
  );
}

test('a hundred equal calls to make an environment make one', async () => {
  const before = await api.counts();
  const input = { name: 'Once', kind: 'SANDBOX' as const, idempotencyKey: 'environment' };
  const answers = await hundredTimes((control) => createEnvironment(control, api.admin, input));
  expect(answers.length).toBe(1);
  expect(await grown(before)).toEqual({
    ...{
      audit: 1,
      audit_heads: 1,
      environments: 1,
      event_streams: 1,
      result_streams: 1,
      events: 1,
      idempotency_keys: 1,
    },
  });
});

test('a hundred equal calls to redeploy ask for one redeploy, and supersede nothing', async () => {
  const environmentId = await api.world.addEnvironment('Redeployed');
  const cache = { environmentId, type: 'CACHE' as const, label: 'cache', runtime: 'REDIS' };
  const { ids } = await createService(api.control, api.admin, cache);
  const before = await api.counts();
  const input = { serviceId: ids.serviceId, note: 'once', idempotencyKey: 'redeploy' };
  const answers = await hundredTimes((control) => redeployService(control, api.admin, input));
  expect(answers.length).toBe(1);
  // The one of its creation was superseded, once.
  expect(await grown(before)).toEqual({ audit: 1, events: 2, idempotency_keys: 1, redeploys: 1 });
  const open = await api.control.store
    .raw`select id from redeploys where state = 'QUEUED' and service_id = ${ids.serviceId}`;
  expect(open).toEqual([{ id: answers[0]?.ids.redeployId }]);
});

test('a hundred equal calls to make a site make one, and as many to open a ticket open one', async () => {
  const environmentId = await api.world.addEnvironment('Routed');
  const code = { environmentId, type: 'CODE' as const, label: 'web' };
  const { serviceId } = (await createService(api.control, api.admin, code)).ids;
  const kept = { audit: 1, events: 1, idempotency_keys: 1 };
  const site = { environmentId, host: 'shop.example.org', serviceId, idempotencyKey: 'site' };
  const beforeSites = await api.counts();
  const sites = await hundredTimes((control) => createSite(control, api.admin, site));
  expect([sites.length, await grown(beforeSites)]).toEqual([1, { ...kept, sites: 1 }]);
  const ticket = { environmentId, kind: 'OTHER' as const, text: 'Please', idempotencyKey: 'ticket' };
  const beforeTickets = await api.counts();
  const tickets = await hundredTimes((control) => openSupportTicket(control, api.admin, ticket));
  expect([tickets.length, await grown(beforeTickets)]).toEqual([1, { ...kept, tickets: 1 }]);
});

test('a hundred equal calls to upload a certificate, or to have one made, add one', async () => {
  const settings = { ...api.control.settings, included: ['SERVICE_PROXY' as const] };
  const { environmentId } = (
    await createEnvironment({ ...api.control, settings }, api.admin, { name: 'Proxied', kind: 'SANDBOX' })
  ).ids;
  const kept = { audit: 1, events: 1, idempotency_keys: 1, secrets: 1, certificates: 1 };
  const brought = await bringCertificate(['shop.example.org']);
  const upload = { environmentId, name: 'Shop', ...brought, idempotencyKey: 'upload' };
  const beforeUpload = await api.counts();
  const uploaded = await hundredTimes((control) => uploadCertificate(control, api.admin, upload));
  expect([uploaded.length, await grown(beforeUpload)]).toEqual([1, kept]);
  const hosts = ['shop.example.org'];
  const request = {
    environmentId,
    name: 'Shop',
    source: 'SELF_SIGNED' as const,
    hosts,
    idempotencyKey: 'made',
  };
  const beforeRequest = await api.counts();
  const requested = await hundredTimes((control) => requestCertificate(control, api.admin, request));
  expect([requested.length, await grown(beforeRequest)]).toEqual([1, kept]);
});

test('of a hundred equal calls to make a token one is told its secret', async () => {
  const input = { name: 'once', scopes: ['read' as const], idempotencyKey: 'token' };
  const answers = await hundredTimes((control) => createToken(control, api.admin, input));
  expect(new Set(answers.map(({ tokenId }) => tokenId)).size).toBe(1);
  expect(answers.filter(({ secret }) => secret !== undefined).length).toBe(1);
});

test('a key is its token’s and its mutation’s own, and a refused call does not use it up', async () => {
  const key = { kind: 'SANDBOX' as const, idempotencyKey: 'shared' };
  const make = (caller = api.admin, name = 'Shared'): Promise<Mutated<{ environmentId: string }>> =>
    createEnvironment(api.control, caller, { ...key, name });
  await expect(make(api.admin, '')).rejects.toThrow();
  const first = await make();
  expect(await make()).toEqual(first);
  await expect(make(api.admin, 'Other')).rejects.toThrow(Conflict);
  const second = await make((await api.world.addToken()).caller);
  expect(second.ids.environmentId).not.toBe(first.ids.environmentId);
  const service = {
    environmentId: first.ids.environmentId,
    type: 'CODE' as const,
    label: 'a',
    idempotencyKey: 'shared',
  };
  await createService(api.control, api.admin, service);
});

test('fields in another order, or absent instead of null, are the same input', async () => {
  const one = {
    name: 'Order',
    kind: 'SANDBOX' as const,
    services: [{ type: 'CODE' as const, label: 'a' }],
    idempotencyKey: 'o',
  };
  const first = await createEnvironment(api.control, api.admin, one);
  const services = [{ label: 'a', type: 'CODE' as const, runtime: undefined }];
  const again = { idempotencyKey: 'o', services, kind: 'SANDBOX' as const, name: 'Order' };
  expect(await createEnvironment(api.control, api.admin, again)).toEqual(first);
});
