// What a running proxy has in its memory is compared now and then with what it was told: whatever somebody else has done to
// it by its runtime API is found and undone, without a word to those who follow the environment, for nothing has changed.
import { count } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { events } from '../../src/postgres/tables/events.ts';
import { paths } from '../../src/proxy/layout.ts';
import type { RuntimeCommand } from '../../src/proxy/rotation.ts';
import { expectPeace } from '../support/oracle.ts';
import { freshDatabase } from '../support/postgres.ts';
import { addressOf, ask, channelOf, openSite, runningJobs, type Site } from '../support/site.ts';
import { openWorld, until, type World } from '../support/world.ts';

let world: World;
let site: Site;
let siteId: string;
let address: string;

beforeAll(async () => {
  const { url } = await freshDatabase();
  world = await openWorld(url, { settings: { settleSeconds: 0.3, compareSeconds: 1 } });
  site = await openSite(world);
  address = await addressOf(world, site);
  const { servers } = await (await channel()).showRotation();
  siteId = [...servers.keys()][0] ?? '';
}, 90_000);
beforeEach(() => expectPeace(world));
afterAll(() => world?.close());

async function channel() {
  const [proxy] = await runningJobs(world, site.proxyId);
  if (proxy === undefined) throw new Error('no proxy runs');
  return channelOf(world.control, proxy);
}

const byHand = async (...texts: readonly string[]) =>
  (await channel()).apply(texts.map((text): RuntimeCommand => ({ kind: 'SET', text })));
const answer = () => ask(address, site.host);
const told = async () => (await world.control.store.db.select({ rows: count() }).from(events))[0]?.rows;

const deeds: [what: string, by: (job: string) => Promise<unknown>, answers: string][] = [
  ['a server put aside', (job) => byHand(`set server ${siteId}/${job} state maint`), '200'],
  ['a server told to drain', (job) => byHand(`set server ${siteId}/${job} state drain`), '200'],
  ['a server led elsewhere', (job) => byHand(`set server ${siteId}/${job} addr 127.0.0.1 port 1`), '200'],
  ['a host forgotten', () => byHand(`clear map ${paths.hosts}`), '404'],
  [
    'a maintenance that nobody asked for',
    () => byHand(`add map ${paths.maintenance} ${site.serviceId} 1`),
    '503',
  ],
];

test.each(deeds)('%s is put right', async (_what, by, answers) => {
  const [job] = await runningJobs(world, site.serviceId);
  const before = await told();
  await by(job?.id ?? '');
  // At once, or when it was put right already.
  expect([answers, '200']).toContain(await answer());
  await expectPeace(world);
  await until('the site answers', answer, (status) => status === '200');
  expect(await told()).toBe(before);
});

test('a server forgotten is added again, and one that nobody knows goes', async () => {
  const [job, other] = await runningJobs(world, site.serviceId);
  await byHand(`set server ${siteId}/${job?.id} state maint`);
  await (await channel()).apply([
    { kind: 'REMOVE', text: `del server ${siteId}/${job?.id}` },
    { kind: 'ADD', text: `add server ${siteId}/nobody.knows ${other?.address}:8080` },
    { kind: 'SET', text: `set server ${siteId}/nobody.knows state ready` },
  ]);
  await expectPeace(world);
});
