// Certificates of an environment from adding to removal, and where their keys are: encrypted, and nowhere else.
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  deleteCertificate,
  type RequestCertificateInput,
  requestCertificate,
  uploadCertificate,
} from '../../src/control/certificates.ts';
import { deleteEnvironment } from '../../src/control/environments.ts';
import { createSite, deleteSite } from '../../src/control/sites.ts';
import { makeMask } from '../../src/graphql/masking.ts';
import { certificateLimits } from '../../src/model/certificates.ts';
import {
  insertChallenge,
  listCertificatesById,
  listCertificatesDue,
  pruneChallenges,
} from '../../src/postgres/certificates.ts';
import { listChallenges } from '../../src/postgres/sites.ts';
import { openSecrets } from '../../src/postgres/variables.ts';
import { type Answer, type Api, globalId, openApi } from '../support/api.ts';
import { type Brought, bringCertificate } from '../support/certificate.ts';
import { makeRouted, type Routed, toldBy } from './routed.ts';

let api: Api;
let own: Routed;
let brought: Brought;
let made = 0;

beforeAll(async () => {
  api = await openApi({ included: ['SERVICE_PROXY'], domain: 'berth.test' });
  brought = await bringCertificate(['shop.example.org', '*.shop.example.org']);
});
afterAll(() => api.close());
beforeEach(async () => {
  made += 1;
  own = await makeRouted(api.control, api.admin, `own-${made}`);
});

const upload = (more: object = {}) =>
  uploadCertificate(api.control, api.admin, {
    ...{ environmentId: own.environmentId, name: 'Shop', ...brought, ...more },
  });
const request = (more: Partial<RequestCertificateInput> = {}, control = api.control) =>
  requestCertificate(control, api.admin, {
    ...{ environmentId: own.environmentId, name: 'Made', source: 'SELF_SIGNED' },
    ...{ hosts: [`own-${made}.berth.test`], ...more },
  });
const withAuthority = () => ({
  ...api.control,
  settings: { ...api.control.settings, acmeDirectory: 'https://authority.test/directory' },
});

async function rowOf(id: string) {
  const [row] = await listCertificatesById(api.control.store.db, [id]);
  if (row === undefined) throw new Error('no such certificate');
  return row;
}

const lastAudit = async () => {
  const [row] = await api.control.store.raw`
    select action, subject_type, subject_id from audit order by seq desc limit 1`;
  return row;
};

test('an uploaded one is ready, told, audited, and shown by its facts', async () => {
  let id = '';
  const told = await toldBy(api.control, own.environmentId, async () => {
    id = (await upload()).ids.certificateId;
  });
  const hosts = ['shop.example.org', '*.shop.example.org'];
  expect(told).toMatchObject([{ type: 'CERTIFICATE_ADDED', data: { certificateId: id, hosts } }]);
  expect(await lastAudit()).toEqual({
    ...{ action: 'uploadCertificate', subject_type: 'Certificate', subject_id: id },
  });
  const { data, errors } = await api.run(
    `query ($id: ID!) { node(id: $id) { ... on Certificate { name source state hosts fingerprint issuer notBefore
      notAfter expiresSoon failure environment { namespace } } } }`,
    { id: globalId('Certificate', id) },
  );
  expect(errors).toEqual([]);
  expect(data.node).toMatchObject({
    ...{ name: 'Shop', source: 'UPLOADED', state: 'READY', hosts, issuer: 'CN=Root', failure: null },
    ...{ fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/), expiresSoon: false },
    environment: { namespace: own.namespace },
  });
  // Renewing it is for whoever brought it.
  expect((await rowOf(id)).dueAt).toBeNull();
});

test('one that ends within a fortnight says so', async () => {
  const soon = await bringCertificate(['a.example.org'], new Date(Date.now() + 13 * 86_400_000));
  const { ids } = await upload(soon);
  const document = 'query ($id: ID!) { node(id: $id) { ... on Certificate { expiresSoon } } }';
  const { data } = await api.run(document, { id: globalId('Certificate', ids.certificateId) });
  expect(data.node.expiresSoon).toBe(true);
});

test('a self-signed one is ready at once, for sandboxes only, and due before it ends', async () => {
  const { ids } = await request({ hosts: ['A.example.org', 'b.example.org', 'a.example.org'] });
  const row = await rowOf(ids.certificateId);
  expect(row).toMatchObject({
    source: 'SELF_SIGNED',
    state: 'READY',
    hosts: ['a.example.org', 'b.example.org'],
  });
  expect(row.dueAt?.getTime()).toBeLessThan(row.notAfter?.getTime() ?? 0);
  expect(row.dueAt?.getTime()).toBeGreaterThan(Date.now());
  expect(await lastAudit()).toMatchObject({ action: 'requestCertificate', subject_id: ids.certificateId });
  const place = await makeRouted(api.control, api.admin, `production-${made}`, [], 'PRODUCTION');
  await expect(request({ environmentId: place.environmentId })).rejects.toMatchObject({
    ...{ code: 'INVALID', inputPath: ['input', 'source'] },
  });
});

test('names too long for a proxy to be told of while it runs are refused, and as long as they may be they fit', async () => {
  const hosts = (count: number) =>
    Array.from({ length: count }, (_, n) => `${`n${n}`.padEnd(60, 'x')}.${'y'.repeat(54)}.org`);
  await expect(request({ hosts: hosts(43) })).rejects.toMatchObject({
    ...{
      code: 'INVALID',
      inputPath: ['input', 'hosts'],
      message: expect.stringContaining('5000 characters'),
    },
  });
  const { certificateId } = (await request({ hosts: hosts(42) })).ids;
  const { secretId } = await rowOf(certificateId);
  const { store, vault } = api.control;
  const pem = (await openSecrets(store.db, vault, [secretId ?? ''])).get(secretId ?? '') ?? '';
  // What an authority signs comes with its own certificates, which take about as much again.
  expect(pem.length).toBeLessThan(certificateLimits.renewableBytes * 0.6);
});

test('ACME is refused where there is no authority, and else a wish that is due at once', async () => {
  const asked = { source: 'ACME', hosts: ['shop.example.org'] } as const;
  await expect(request(asked)).rejects.toMatchObject({
    ...{ code: 'CONFLICT', inputPath: ['input', 'source'] },
    message: expect.stringContaining('BERTH_ACME_DIRECTORY'),
  });
  const { ids } = await request(asked, withAuthority());
  const { certificateId } = ids;
  expect(await rowOf(certificateId)).toMatchObject({
    ...{ state: 'PENDING', hosts: ['shop.example.org'], secretId: null, fingerprint: null, tries: 0 },
  });
  const due = async () => (await listCertificatesDue(api.control.store.db, 100, [])).map(({ id }) => id);
  expect(await due()).toContain(certificateId);
  expect(await lastAudit()).toMatchObject({ action: 'requestCertificate' });
  await deleteCertificate(api.control, api.admin, { certificateId });
  expect(await due()).not.toContain(certificateId);
});

test('certificates of an environment that is being deleted are obtained and renewed no more', async () => {
  const { ids } = await request({ source: 'ACME' }, withAuthority());
  const confirm = own.namespace;
  await deleteEnvironment(api.control, api.admin, { environmentId: own.environmentId, confirm });
  const due = await listCertificatesDue(api.control.store.db, 100, []);
  expect(due.map(({ id }) => id)).not.toContain(ids.certificateId);
});

test('answers to an authority that nobody withdrew are gone after a day', async () => {
  const { environmentId } = own;
  const { store } = api.control;
  await store.db.transaction(async (tx) => {
    for (const token of ['old', 'new']) await insertChallenge(tx, { token, environmentId, answer: 'a' });
  });
  await store.raw`update challenges set created_at = now() - interval '25 hours' where token = 'old'`;
  await pruneChallenges(store);
  expect(await listChallenges(store.db, environmentId)).toEqual({ new: 'a' });
});

test('a site may wait for one that is still to be obtained', async () => {
  const { ids } = await request({ source: 'ACME', hosts: ['wait.example.org'] }, withAuthority());
  const site = { host: 'wait.example.org', serviceId: own.ids.web ?? '', ...ids };
  expect((await createSite(api.control, api.admin, site)).ids.siteId).toBeTruthy();
});

test('one that serves is not removed; one that does not is removed once, and found by nobody then', async () => {
  const { control, admin } = api;
  const { environmentId } = own;
  const { certificateId } = (await upload()).ids;
  const input = { environmentId, host: 'shop.example.org', serviceId: own.ids.web ?? '', certificateId };
  const { siteId } = (await createSite(control, admin, input)).ids;
  const remove = () => deleteCertificate(control, admin, { certificateId });
  await expect(remove()).rejects.toMatchObject({
    ...{ code: 'CONFLICT', inputPath: ['input', 'certificateId'] },
    message: expect.stringContaining('shop.example.org'),
  });
  await deleteSite(control, admin, { siteId });
  const told = await toldBy(control, environmentId, async () => {
    const tries = await Promise.allSettled(Array.from({ length: 10 }, remove));
    expect(tries.filter(({ status }) => status === 'fulfilled').length).toBe(1);
    for (const each of tries)
      if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'NOT_FOUND' });
  });
  expect(told).toMatchObject([{ type: 'CERTIFICATE_DELETED', data: { certificateId } }]);
  expect(await lastAudit()).toMatchObject({ action: 'deleteCertificate', subject_id: certificateId });
  const ids = [globalId('Certificate', certificateId), globalId('Site', siteId)];
  const { data } = await api.run('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids });
  expect(data.nodes).toEqual([null, null]);
  await expect(createSite(control, admin, input)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('of many that want it and many that remove it none is left with a certificate that is gone', async () => {
  const { control, admin } = api;
  const { environmentId } = own;
  const serviceId = own.ids.web ?? '';
  for (let round = 0; round < 5; round++) {
    const { certificateId } = (await upload()).ids;
    const host = `r${round}.shop.example.org`;
    await Promise.allSettled([
      createSite(control, admin, { environmentId, host, serviceId, certificateId }),
      deleteCertificate(control, admin, { certificateId }),
    ]);
  }
  const orphans = await control.store.raw`select host from sites join certificates c on c.id = certificate_id
    where sites.deleted_at is null and c.deleted_at is not null`;
  expect([...orphans]).toEqual([]);
});

test('the two hundred and first is refused with the limit', async () => {
  const row = () => `('${crypto.randomUUID()}', '${own.environmentId}', 'a', 'UPLOADED', 'READY', '[]')`;
  await api.control.store.raw.unsafe(
    `insert into certificates (id, environment_id, name, source, state, hosts) values ${Array.from({ length: 199 }, row).join()}`,
  );
  await request();
  await expect(upload()).rejects.toMatchObject({ code: 'LIMIT', limit: 200, current: 200 });
  await expect(request()).rejects.toMatchObject({ code: 'LIMIT' });
});

/** Its base64 lines, and its bytes in the other forms that texts take. */
function formsOf(privateKey: string): string[] {
  const lines = privateKey.split('\n').filter((line) => line !== '' && !line.startsWith('-----'));
  const bytes = Buffer.from(lines.join(''), 'base64');
  // The beginning is the same for every key of its kind.
  const secret = bytes.subarray(36, 64);
  return [...lines.slice(1), secret.toString('hex'), secret.toString('base64').slice(4, -4)];
}

test('a private key is found nowhere, however it is given and whatever fails', async () => {
  const canary = await bringCertificate(['canary.example.org']);
  const forms = formsOf(canary.privateKey);
  const sightings = (text: string) => forms.filter((form) => text.includes(form));
  expect(sightings(JSON.stringify(canary.privateKey.split('\n'))).length).toBeGreaterThan(0);
  const lines: string[] = [];
  const sink = new Writable({ write: (chunk, _encoding, done) => done(void lines.push(String(chunk))) });
  const mask = makeMask(pino({}, sink));
  const answers: Answer[] = [];
  const environmentId = globalId('Environment', own.environmentId);
  const ask = async (more: object) => {
    const document = `mutation ($input: UploadCertificateInput!) { uploadCertificate(input: $input) {
      __typename ... on UserError { message path } ... on UploadCertificatePayload { certificate { id name issuer } } } }`;
    const input = { environmentId, name: 'Canary', ...canary, ...more };
    answers.push(await api.run(document, { input }));
    return answers.at(-1);
  };
  const { chain, privateKey } = canary;
  expect((await ask({ idempotencyKey: 'canary' }))?.data.uploadCertificate.certificate).toBeTruthy();
  for (const wrong of [
    { idempotencyKey: 'canary', name: 'Other' },
    { name: '' },
    { chain: privateKey },
    { chain: chain + privateKey },
    { chain: `-----BEGIN CERTIFICATE-----\n${privateKey.split('\n')[1]}\n-----END CERTIFICATE-----` },
    { chain: brought.chain },
    { privateKey: privateKey.replace('-----END', '-----END OTHER') },
    { privateKey: privateKey.slice(0, -40) },
    { privateKey: privateKey + privateKey },
    { privateKey: privateKey.replace('PRIVATE KEY', 'EC PRIVATE KEY') },
  ])
    expect((await ask(wrong))?.data.uploadCertificate.message).toMatch(/\S/);
  const sql = api.control.store.raw;
  for (const table of ['secrets', 'certificates'] as const) {
    await sql`alter table ${sql(table)} rename to gone`;
    const failed = await ask({});
    await sql`alter table gone rename to ${sql(table)}`;
    expect(failed?.errors.length).toBe(1);
    answers.push({ data: failed?.errors.map(mask), errors: [] });
  }
  expect(lines.length).toBe(2);
  expect(sightings(JSON.stringify([answers, lines]))).toEqual([]);
  expect(sightings(await api.dump())).toEqual([]);
});
