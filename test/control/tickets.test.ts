// Support tickets from opening to resolution: what an operator accepts is done in the same transaction, and a ticket ends
// once, whoever ends it.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { deleteService } from '../../src/control/delete-service.ts';
import { redeployService } from '../../src/control/redeploy.ts';
import { openSupportTicket, resolveSupportTicket, withdrawSupportTicket } from '../../src/control/tickets.ts';
import { updateService } from '../../src/control/update-service.ts';
import type { Caller } from '../../src/model/callers.ts';
import { ticketLimits } from '../../src/model/tickets.ts';
import { listRedeploysById } from '../../src/postgres/redeploys.ts';
import { listServicesById } from '../../src/postgres/services.ts';
import { listTicketsById } from '../../src/postgres/tickets.ts';
import { type Api, globalId, localIdOf, openApi } from '../support/api.ts';
import { furnish } from '../support/furnish.ts';
import { openRedeploys, toldBy } from './routed.ts';

let api: Api;
let customer: Caller;
let environmentId: string;
let serviceId: string;
let cacheId: string;
let spareId: string;
let made = 0;

beforeAll(async () => {
  api = await openApi();
  customer = { ...(await api.world.addToken()).caller, operator: false, tokenName: 'customer' };
});
afterAll(() => api.close());
beforeEach(async () => {
  made += 1;
  const own = await furnish(api.control, api.admin, `own-${made}`);
  environmentId = localIdOf(own.Environment);
  [serviceId, cacheId, spareId] = [own.Service, own.cache, own.spare].map(localIdOf) as [
    string,
    string,
    string,
  ];
});

async function opened(input: object, caller = customer): Promise<string> {
  const ticket = { environmentId, kind: 'OTHER' as const, text: 'Please', ...input };
  return (await openSupportTicket(api.control, caller, ticket)).ids.ticketId;
}
const resolve = (ticketId: string, accept: boolean, more: object = {}) =>
  resolveSupportTicket(api.control, api.admin, { ticketId, accept, ...more });
const withdraw = (ticketId: string, caller = customer) =>
  withdrawSupportTicket(api.control, caller, { ticketId });
const told = (work: () => Promise<unknown>) => toldBy(api.control, environmentId, work);

async function ticketOf(id: string) {
  const [row] = await listTicketsById(api.control.store.db, [id]);
  if (row === undefined) throw new Error('no such ticket');
  return row;
}
async function serviceOf(id = serviceId) {
  const [row] = await listServicesById(api.control.store.db, [id]);
  if (row === undefined) throw new Error('no such service');
  return row;
}
async function audits(from: number) {
  const rows = await api.control.store.raw`
    select action, actor, subject_type, subject_id, after from audit where seq > ${from} order by seq`;
  return rows.map((row) => ({ ...row }));
}
const auditSize = async () => (await api.counts()).audit ?? 0;

test('a REDEPLOY ticket, accepted, redeploys what its customer may not', async () => {
  const { control } = api;
  await updateService(control, api.admin, { serviceId, redeployable: false });
  await expect(redeployService(control, customer, { serviceId })).rejects.toMatchObject({
    code: 'NOT_REDEPLOYABLE',
  });
  const before = await auditSize();
  let ticketId = '';
  const opening = await told(async () => {
    ticketId = await opened({ kind: 'REDEPLOY', serviceId, text: '  The new key,\nplease  ' });
  });
  expect(opening).toEqual([
    {
      ...{ type: 'TICKET_OPENED', data: { ticketId, kind: 'REDEPLOY' }, serviceId, redeployId: null },
      message: 'customer opened a support ticket (REDEPLOY) about web.',
    },
  ]);
  expect(await ticketOf(ticketId)).toMatchObject({
    ...{ state: 'OPEN', text: 'The new key,\nplease', openedBy: 'customer', serviceId },
    ...{ answer: null, redeployId: null, resolvedBy: null, resolvedAt: null },
  });
  expect(await openRedeploys(control, serviceId)).toEqual([]);
  const resolving = await told(() => resolve(ticketId, true, { answer: 'Done.' }));
  const [redeployId = ''] = await openRedeploys(control, serviceId);
  expect(resolving).toMatchObject([
    { type: 'REDEPLOY_REQUESTED', data: { reason: 'SUPPORT_TICKET' }, serviceId, redeployId },
    { type: 'TICKET_RESOLVED', data: { ticketId, state: 'ACCEPTED' }, serviceId, redeployId },
  ]);
  expect(resolving.at(-1)?.message).toBe('tester accepted a support ticket (REDEPLOY). Done.');
  const [redeploy] = await listRedeploysById(control.store.db, [redeployId]);
  expect(redeploy).toMatchObject({ reason: 'SUPPORT_TICKET', state: 'QUEUED', requestedBy: 'tester' });
  expect(redeploy?.note).toContain(ticketId);
  expect(await ticketOf(ticketId)).toMatchObject({
    ...{ state: 'ACCEPTED', redeployId, answer: 'Done.', resolvedBy: 'tester' },
    resolvedAt: expect.any(Date),
  });
  const subject = { subject_type: 'Ticket', subject_id: ticketId };
  expect(await audits(before)).toMatchObject([
    { action: 'openSupportTicket', actor: 'customer', ...subject },
    { action: 'resolveSupportTicket', actor: 'tester', ...subject },
  ]);
  expect((await serviceOf()).redeployable).toBe(false);
});

test('an OVERLAP_PERIOD ticket, accepted, sets the period, and two jobs make it OVERLAP', async () => {
  await updateService(api.control, customer, { serviceId, scale: 2 });
  const ticketId = await opened({ kind: 'OVERLAP_PERIOD', serviceId, overlapSeconds: 30 });
  expect(await serviceOf()).toMatchObject({ overlapSeconds: null });
  const { revision } = await serviceOf();
  const events = await told(() => resolve(ticketId, true));
  expect(events).toMatchObject([
    { type: 'SERVICE_UPDATED', data: { fields: ['overlapSeconds'] }, serviceId },
    { type: 'TICKET_RESOLVED', data: { ticketId, state: 'ACCEPTED' }, redeployId: null },
  ]);
  expect(await serviceOf()).toMatchObject({ overlapSeconds: 30, revision: revision + 1 });
  expect(await openRedeploys(api.control, serviceId)).toEqual([]);
  const { data } = await api.run(
    `query ($id: ID!, $ticket: ID!) { service: node(id: $id) { ... on Service { strategy overlapSeconds } }
      ticket: node(id: $ticket) { ... on SupportTicket { state kind overlapSeconds answer openedBy { name }
        resolvedBy { name } redeploy { id } service { label } environment { namespace } } } }`,
    { id: globalId('Service', serviceId), ticket: globalId('SupportTicket', ticketId) },
  );
  expect(data).toEqual({
    service: { strategy: 'OVERLAP', overlapSeconds: 30 },
    ticket: {
      ...{ state: 'ACCEPTED', kind: 'OVERLAP_PERIOD', overlapSeconds: 30, answer: null, redeploy: null },
      ...{ openedBy: { name: 'customer' }, resolvedBy: { name: 'tester' } },
      ...{ service: { label: 'web' }, environment: { namespace: `own-${made}` } },
    },
  });
});

test.each([
  ['OTHER, accepted', true, {}, 'ACCEPTED'],
  ['OTHER, rejected', false, {}, 'REJECTED'],
  ['REDEPLOY, rejected', false, { kind: 'REDEPLOY' as const }, 'REJECTED'],
  ['OVERLAP_PERIOD, rejected', false, { kind: 'OVERLAP_PERIOD' as const, overlapSeconds: 30 }, 'REJECTED'],
])('%s: nothing is done but the word', async (_what, accept, input, state) => {
  const ticketId = await opened({ ...input, serviceId });
  const before = await serviceOf();
  const events = await told(() => resolve(ticketId, accept, { answer: ' Read the manual.\n' }));
  expect(events).toMatchObject([{ type: 'TICKET_RESOLVED', data: { ticketId, state }, redeployId: null }]);
  expect(await ticketOf(ticketId)).toMatchObject({ state, answer: 'Read the manual.', redeployId: null });
  expect(await serviceOf()).toEqual(before);
  expect(await openRedeploys(api.control, serviceId)).toEqual([]);
});

test('one about the environment as a whole is about no service', async () => {
  let ticketId = '';
  const [event] = await told(async () => {
    ticketId = await opened({});
  });
  expect(event).toMatchObject({ type: 'TICKET_OPENED', serviceId: null });
  expect(event?.message).toContain(`about own-${made}.`);
  expect(await ticketOf(ticketId)).toMatchObject({ serviceId: null, kind: 'OTHER' });
});

test('operators only resolve; whoever may deploy withdraws', async () => {
  const ticketId = await opened({});
  const before = await api.dump();
  const input = { ticketId, accept: true };
  await expect(resolveSupportTicket(api.control, customer, input)).rejects.toMatchObject({
    code: 'FORBIDDEN',
    message: expect.stringContaining('operator'),
  });
  const reader = (await api.world.addToken({ scopes: ['read'] })).caller;
  await expect(withdraw(ticketId, reader)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  await expect(opened({}, reader)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  await api.control.store.raw`delete from tokens where id = ${reader.tokenId}`;
  expect(await api.dump()).toBe(before);
  const size = await auditSize();
  const events = await told(() => withdraw(ticketId));
  expect(events).toMatchObject([{ type: 'TICKET_RESOLVED', data: { ticketId, state: 'WITHDRAWN' } }]);
  expect(await ticketOf(ticketId)).toMatchObject({ state: 'WITHDRAWN', resolvedBy: 'customer' });
  expect(await audits(size)).toMatchObject([
    { action: 'withdrawSupportTicket', actor: 'customer', subject_id: ticketId },
  ]);
});

test('it ends once: of two operators and its customer at once one is first, and one thing is done', async () => {
  for (let round = 0; round < 5; round++) {
    const ticketId = await opened({ kind: 'REDEPLOY', serviceId });
    const replica = await api.world.openReplica();
    const ends = await Promise.allSettled([
      resolve(ticketId, true, { answer: 'First' }),
      resolveSupportTicket(replica.control, api.admin, { ticketId, accept: true, answer: 'Second' }),
      resolve(ticketId, false),
      withdraw(ticketId),
    ]);
    await replica.close();
    expect(ends.filter(({ status }) => status === 'fulfilled').length).toBe(1);
    const { state, redeployId } = await ticketOf(ticketId);
    for (const each of ends)
      if (each.status === 'rejected')
        expect(each.reason).toMatchObject({
          ...{ code: 'CONFLICT', inputPath: ['input', 'ticketId'] },
          message: `The ticket has been ended: ${state}.`,
        });
    const asked = await api.control.store.raw`select id from redeploys where note like ${`%${ticketId}%`}`;
    expect(asked.map(({ id }) => id)).toEqual(state === 'ACCEPTED' ? [redeployId] : []);
    const ended = await api.control.store.raw`
      select 1 from events where type = 'TICKET_RESOLVED' and data->>'ticketId' = ${ticketId}`;
    expect(ended.length).toBe(1);
  }
});

test('what cannot be done leaves the ticket open, and says what stands in the way', async () => {
  const never = await opened({ kind: 'REDEPLOY', serviceId: spareId });
  const gone = await opened({ kind: 'REDEPLOY', serviceId: cacheId });
  await deleteService(api.control, api.admin, { serviceId: cacheId, confirm: 'cache' });
  const before = await api.dump();
  for (const [ticketId, sentence] of [
    [never, 'spare has no release yet'],
    [gone, 'The service cache is being deleted.'],
  ] as const)
    await expect(resolve(ticketId, true)).rejects.toMatchObject({
      ...{ code: 'CONFLICT', inputPath: ['input', 'ticketId'], message: expect.stringContaining(sentence) },
    });
  expect(await api.dump()).toBe(before);
  await resolve(never, false);
  await withdraw(gone);
});

test('the redeploy of a ticket supersedes an open one', async () => {
  await updateService(api.control, api.admin, { serviceId: cacheId, redeployable: false });
  const [creation = ''] = await openRedeploys(api.control, cacheId);
  const ticketId = await opened({ kind: 'REDEPLOY', serviceId: cacheId });
  const events = await told(() => resolve(ticketId, true));
  expect(events.map(({ type, data }) => [type, data.state ?? data.reason])).toEqual([
    ['REDEPLOY_ENDED', 'SUPERSEDED'],
    ['REDEPLOY_REQUESTED', 'SUPPORT_TICKET'],
    ['TICKET_RESOLVED', 'ACCEPTED'],
  ]);
  expect(await openRedeploys(api.control, cacheId)).not.toContain(creation);
});

test('open ones are counted: past fifty a refusal with the limit, and one that ends makes room', async () => {
  // One of each environment's own furniture is open already.
  const most = ticketLimits.openPerEnvironment;
  const first = await opened({});
  for (let n = 2; n < most; n++) await opened({});
  await expect(opened({})).rejects.toMatchObject({ code: 'LIMIT', limit: most, current: most });
  await withdraw(first);
  await opened({});
});

test('lists are newest first, all, open or ended', async () => {
  const ids: string[] = [];
  for (const end of [resolve, undefined, resolve]) {
    ids.unshift(await opened({}));
    await end?.(ids[0] ?? '', false);
  }
  const list = async (args: string) => {
    const { data } = await api.run(
      `{ environment(namespace: "own-${made}") { supportTickets(${args}) { nodes { id state } } } }`,
    );
    return data.environment.supportTickets.nodes.map(({ id }: { id: string }) => localIdOf(id));
  };
  expect((await list('first: 3')).slice(0, 3)).toEqual(ids);
  expect((await list('first: 10, open: null')).length).toBe(5);
  expect(await list('first: 1, open: true')).toEqual([ids[1]]);
  expect((await list('first: 10, open: false')).slice(0, 2)).toEqual([ids[0], ids[2]]);
  expect((await list('first: 10, open: true')).length).toBe(2);
});
