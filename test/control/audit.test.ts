// The audit: one row for each accepted mutation in its transaction, none for a refused one, and a chain in which whatever
// is changed, removed, exchanged or added afterwards shows.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createEnvironment, renameEnvironment } from '../../src/control/environments.ts';
import { openSupportTicket } from '../../src/control/tickets.ts';
import { setVariables, unsetVariables } from '../../src/control/variables.ts';
import { findBreakInChain } from '../../src/postgres/audit.ts';
import { type Api, globalId, localIdOf, openApi } from '../support/api.ts';
import { bringCertificate } from '../support/certificate.ts';
import { furnish } from '../support/furnish.ts';

let api: Api;

beforeEach(async () => {
  api = await openApi();
});

afterEach(() => api.close());

const broken = () => findBreakInChain(api.control.store.db, api.admin.organizationId);

async function rename(times: number): Promise<string> {
  const { ids } = await createEnvironment(api.control, api.admin, { name: 'A', kind: 'SANDBOX' });
  for (let number = 1; number < times; number++)
    await renameEnvironment(api.control, api.admin, {
      environmentId: ids.environmentId,
      name: `A ${number}`,
    });
  return ids.environmentId;
}

test('a chain holds, also one written by many at once and longer than it is read at a time', async () => {
  expect(await broken()).toBeUndefined();
  const environmentId = await rename(2);
  const at = (number: number) => ({ environmentId, name: `B ${number}` });
  await Promise.all(
    Array.from({ length: 30 }, (_, number) => renameEnvironment(api.control, api.admin, at(number))),
  );
  expect(await broken()).toBeUndefined();
  expect((await api.counts()).audit).toBe(32);
});

test.each<[string, (sql: Api['control']['store']['raw']) => PromiseLike<unknown>, number]>([
  ['changed name', (sql) => sql`update audit set actor = 'somebody' where seq = 3`, 3],
  [
    'changed time',
    (sql) => sql`update audit set occurred_at = occurred_at + interval '1 ms' where seq = 3`,
    3,
  ],
  ['emptied field', (sql) => sql`update audit set after = null where seq = 3`, 3],
  ['removed row', (sql) => sql`delete from audit where seq = 3`, 3],
  ['removed last row', (sql) => sql`delete from audit where seq = 6`, 6],
  ['removed first row', (sql) => sql`delete from audit where seq = 1`, 1],
  ['emptied table', (sql) => sql`delete from audit`, 1],
  [
    'row added at the end',
    (sql) => sql`
    insert into audit select organization_id, 7, environment_id, token_id, actor, address, action, subject_type,
      subject_id, outcome, before, after, occurred_at, hash, hash from audit where seq = 6`,
    7,
  ],
  [
    'exchange of two rows',
    (sql) => sql`
    update audit set seq = case seq when 2 then 4002 else 4003 end where seq in (2, 3)`,
    2,
  ],
  [
    'row put in between',
    (sql) =>
      sql.begin(async (tx) => {
        await tx`update audit set seq = seq + 1000 where seq >= 4`;
        await tx`insert into audit select organization_id, 4, environment_id, token_id, actor, address, action,
      subject_type, subject_id, outcome, before, after, occurred_at, previous_hash, hash from audit where seq = 3`;
        await tx`update audit set seq = seq - 999 where seq >= 1000`;
      }),
    4,
  ],
])('a %s is found', async (_what, tamper, at) => {
  await rename(6);
  expect(await broken()).toBeUndefined();
  await tamper(api.control.store.raw);
  expect(await broken()).toBe(at);
});

test('of variables the digests of before and after are kept, never a value', async () => {
  const { caller } = await api.world.addToken();
  const objects = await furnish(api.control, caller, 'digests');
  const serviceId = localIdOf(objects.Service);
  const set = (value: string) =>
    setVariables(api.control, caller, { serviceId, variables: [{ name: 'KEY', value }] });
  await set('first secret');
  await set('second secret');
  await unsetVariables(api.control, caller, { serviceId, names: ['KEY'] });
  const rows = await api.control.store
    .raw`select before, after from audit where action in ('setVariables', 'unsetVariables') order by seq desc limit 3`;
  const [first, second] = [rows[2]?.after, rows[1]?.after];
  expect(first).toMatch(/^KEY=[0-9a-f]+$/);
  expect(second).toMatch(/^KEY=[0-9a-f]+$/);
  expect([...rows].reverse()).toEqual([
    { before: '', after: first },
    { before: first, after: second },
    { before: second, after: '' },
  ]);
});

test('each accepted mutation leaves one row about it, with who did it and from where', async () => {
  await api.close();
  api = await openApi({ included: ['SERVICE_PROXY'] });
  const { caller } = await api.world.addToken();
  const objects = await furnish(api.control, caller, 'own');
  const asked = { environmentId: localIdOf(objects.Environment), kind: 'OTHER' as const, text: 'Please' };
  const tickets = await openSupportTicket(api.control, caller, asked);
  const before = (await api.counts()).audit ?? 0;
  const from = { ...caller, address: '203.0.113.9' };
  const input = (name: string, fields: string) =>
    `mutation { it: ${name}(input: { ${fields} }) { __typename ... on UserError { message } } }`;
  const service = `serviceId: "${objects.Service}"`;
  const place = `environmentId: "${objects.Environment}"`;
  const { chain, privateKey } = await bringCertificate(['shop.example.org']);
  const done: [string, string][] = [
    ['createEnvironment', 'name: "Third", kind: PRODUCTION, services: [{ type: CODE, label: "a" }]'],
    ['createService', `${place}, type: CACHE, runtime: REDIS, label: "cache-2"`],
    ['renameEnvironment', `environmentId: "${objects.Environment}", name: "New"`],
    ['updateService', `${service}, scale: 2`],
    ['setVariables', `${service}, variables: [{ name: "A", value: "b" }]`],
    ['unsetVariables', `${service}, names: ["A"]`],
    ['scaleWorker', `${service}, target: "mailer", count: 2`],
    ['deployWorker', `${service}, target: "clock", count: 1`],
    ['removeWorker', `${service}, target: "clock"`],
    ['runTask', `${service}, command: ["true"]`],
    ['redeployService', `${service}, note: "now"`],
    ['cancelRedeploy', `redeployId: "${objects.openRedeploy}"`],
    ['startJob', `jobId: "${objects.endedJob}"`],
    ['stopJob', `jobId: "${objects.Job}"`],
    ['createSite', `${place}, host: "new.example.org", ${service}, corsOrigins: ["https://a.example.org"]`],
    ['updateSite', `siteId: "${objects.Site}", certificateId: null`],
    ['deleteSite', `siteId: "${objects.Site}"`],
    ['deleteCertificate', `certificateId: "${objects.Certificate}"`],
    [
      'uploadCertificate',
      `${place}, name: "New", chain: ${JSON.stringify(chain)}, privateKey: ${JSON.stringify(privateKey)}`,
    ],
    ['requestCertificate', `${place}, name: "New", source: SELF_SIGNED, hosts: ["a.example.org"]`],
    ['enableMaintenance', service],
    ['disableMaintenance', service],
    ['openSupportTicket', `${place}, kind: OTHER, text: "Please"`],
    ['resolveSupportTicket', `ticketId: "${objects.SupportTicket}", accept: true`],
    ['withdrawSupportTicket', `ticketId: "${globalId('SupportTicket', tickets.ids.ticketId)}"`],
    ['createToken', 'name: "made", scopes: [READ]'],
    ['revokeToken', `tokenId: "${objects.Token}"`],
    ['stopService', `serviceId: "${objects.spare}"`],
    ['deleteService', `serviceId: "${objects.spare}", confirm: "spare"`],
    ['deleteEnvironment', `${place}, confirm: "own"`],
  ];
  for (const [index, [name, fields]] of done.entries()) {
    const { data, errors } = await api.run(input(name, fields), {}, from);
    expect([name, errors, data?.it]).toEqual([
      name,
      [],
      { __typename: `${name.charAt(0).toUpperCase()}${name.slice(1)}Payload` },
    ]);
    const rows = await api.control.store
      .raw`select action, actor, address, token_id from audit order by seq desc limit 1`;
    expect([...rows]).toEqual([
      { action: name, actor: 'tester', address: '203.0.113.9', token_id: caller.tokenId },
    ]);
    expect((await api.counts()).audit).toBe(before + index + 1);
  }
  expect(await broken()).toBeUndefined();
});
