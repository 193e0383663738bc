// An authority on its bad days, as the owner of a certificate sees it: what went wrong is told, it is asked again at ever
// longer intervals and never before it wishes, and only what was never obtained is given up.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { requestCertificate } from '../../src/control/certificates.ts';
import type { CertificateSource } from '../../src/model/certificates.ts';
import {
  type CertificatePatch,
  type CertificateRow,
  listCertificatesById,
  updateCertificate,
} from '../../src/postgres/certificates.ts';
import { type BadAuthority, openBadAuthority } from '../certificates/bad-authority.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import { newEnvironment, openWorld, until, type World } from '../support/world.ts';

let authority: BadAuthority;
let database: FreshDatabase;
let world: World;
let environmentId = '';

beforeAll(async () => {
  authority = await openBadAuthority();
  database = await freshDatabase();
  const { directoryUrl: acmeDirectory, trust: acmeTrust } = authority;
  const settings = { included: ['SERVICE_PROXY' as const], acmeDirectory, acmeTrust };
  world = await openWorld(database.url, { settings });
  environmentId = await newEnvironment(world);
}, 60_000);
afterAll(async () => {
  await world?.close();
  await database?.drop();
  authority?.close();
});
beforeEach(() => {
  authority.behaviours.directory = { status: 500 };
  delete authority.behaviours.order;
});

test('each time it is asked again later than the time before, and not before it wishes', async () => {
  authority.behaviours.directory = { status: 503, headers: { 'Retry-After': '300' } };
  const id = await requested('ACME');
  const first = await failed(id, 1);
  expect(first).toMatchObject({ state: 'PENDING', failure: expect.stringContaining('503') });
  expect(await secondsUntil(first)).toBeGreaterThan(200);
  authority.behaviours.directory = { status: 500 };
  const waits: number[] = [];
  for (const tries of [2, 3, 4]) {
    await change(id, { dueAt: new Date(0) });
    waits.push(await secondsUntil(await failed(id, tries)));
  }
  expect(waits).toEqual([...waits].sort((a, b) => a - b));
  expect(waits[0]).toBeGreaterThan(60);
});

test('one that was never obtained is given up in the end, and says so', async () => {
  const id = await requested('ACME');
  await failed(id, 1);
  await change(id, { tries: 9, dueAt: new Date(0) });
  expect(await failed(id, 10)).toMatchObject({ state: 'FAILED', dueAt: null });
  expect(await lastTold()).toMatch(/could not be obtained\. .*500.* It is not tried again\.$/);
});

test('one that is to be renewed is never given up: what there is serves on, and a try comes within a day', async () => {
  const id = await requested('SELF_SIGNED');
  const before = await rowOf(id);
  await change(id, { source: 'ACME', tries: 20, dueAt: new Date(0) });
  const { state, fingerprint, secretId, ...row } = await failed(id, 21);
  expect([state, fingerprint, secretId]).toEqual(['READY', before.fingerprint, before.secretId]);
  expect(await secondsUntil(row)).toBeLessThanOrEqual(24 * 3_600);
  expect(await lastTold()).toMatch(/could not be renewed\. .* It is tried again at /);
});

test('an answer that is no certificate is a failure like any other', async () => {
  delete authority.behaviours.directory;
  const { failure } = await failed(await requested('ACME'), 1);
  expect(failure).toMatch(/can't be used|The authority/);
  expect(authority.steps).toContain('certificate');
});

test('an authority that leaves one customer hanging holds up nobody else', async () => {
  authority.behaviours.directory = () => {};
  const before = authority.steps.length;
  for (let count = 0; count < 4; count++) await requested('ACME');
  const asked = async () => authority.steps.length - before;
  await until('it is asked', asked, (count) => count > 0);
  const another = await requested('SELF_SIGNED', await newEnvironment(world));
  const { fingerprint } = await rowOf(another);
  await change(another, { dueAt: new Date(0) });
  const look = () => rowOf(another);
  await until('it is renewed', look, (row) => row.fingerprint !== fingerprint, 10_000);
  expect(await asked()).toBe(1);
});

async function requested(
  source: Exclude<CertificateSource, 'UPLOADED'>,
  forEnvironment = environmentId,
): Promise<string> {
  const input = { environmentId: forEnvironment, name: source, source, hosts: ['shop.test'] };
  return (await requestCertificate(world.control, world.caller, input)).ids.certificateId;
}

async function change(id: string, set: CertificatePatch): Promise<void> {
  await world.control.store.db.transaction((tx) => updateCertificate(tx, id, set));
}

async function rowOf(id: string): Promise<CertificateRow> {
  const [row] = await listCertificatesById(world.control.store.db, [id]);
  if (row === undefined) throw new Error('no such certificate');
  return row;
}

function failed(id: string, tries: number): Promise<CertificateRow> {
  const look = () => rowOf(id);
  return until(`it has failed ${tries} times`, look, (row) => row.tries === tries);
}

/** By the clock of the database. */
async function secondsUntil({ dueAt }: Pick<CertificateRow, 'dueAt'>): Promise<number> {
  const [row] = await world.control.store
    .raw`select extract(epoch from ${dueAt}::timestamptz - now()) as seconds`;
  return Number(row?.seconds);
}

async function lastTold(): Promise<string> {
  const [row] = await world.control.store.raw`
    select message from events where type = 'CERTIFICATE_FAILED' order by seq desc limit 1`;
  return String(row?.message);
}
