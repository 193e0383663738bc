// Of whose hosts an authority is asked: of an environment's own, for the account by which it proves them is everybody's.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { requestCertificate } from '../../src/control/certificates.ts';
import { createSite } from '../../src/control/sites.ts';
import { deleteChallenge, insertChallenge } from '../../src/postgres/certificates.ts';
import { listChallenges } from '../../src/postgres/sites.ts';
import { type Api, openApi } from '../support/api.ts';
import { makeRouted, type Routed } from './routed.ts';

let api: Api;
let own: Routed;
let other: Routed;
let withAuthority: Api['control'];

beforeAll(async () => {
  api = await openApi({ included: ['SERVICE_PROXY'], domain: 'berth.test' });
  const settings = { ...api.control.settings, acmeDirectory: 'https://authority.test/directory' };
  withAuthority = { ...api.control, settings };
  own = await makeRouted(api.control, api.admin, 'own');
  other = await makeRouted(api.control, api.admin, 'other');
});
afterAll(() => api.close());

test("nobody obtains one for another environment's hosts, or for what they cover", async () => {
  const { environmentId } = other;
  const theirs = [`a.theirs-theirs.example.org`, `.all-theirs.example.org`];
  for (const host of theirs)
    await createSite(api.control, api.admin, { environmentId, host, serviceId: other.ids.web ?? '' });
  const asked = (host: string, { environmentId: forEnvironment } = own) =>
    requestCertificate(withAuthority, api.admin, {
      ...{ environmentId: forEnvironment, name: 'Made', source: 'ACME' },
      hosts: ['mine.example.org', host],
    });
  const inputPath = ['input', 'hosts', '1'];
  for (const host of [theirs[0] ?? '', `b.all-theirs.example.org`]) {
    await expect(asked(host)).rejects.toMatchObject({ code: 'CONFLICT', inputPath });
    await asked(host, other);
  }
  await expect(asked('other.berth.test')).rejects.toMatchObject({ code: 'INVALID', inputPath });
});

test('answers to an authority are of one environment, whatever another has by the same name', async () => {
  const { db } = api.control.store;
  await db.transaction(async (tx) => {
    for (const { environmentId } of [own, other])
      await insertChallenge(tx, { token: 'same', environmentId, answer: environmentId });
    await deleteChallenge(tx, other.environmentId, 'same');
  });
  expect(await listChallenges(db, own.environmentId)).toEqual({ same: own.environmentId });
  expect(await listChallenges(db, other.environmentId)).toEqual({});
});
