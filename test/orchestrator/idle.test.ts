// What a control plane costs while nothing happens, with sites, their proxies, webhooks and the edge: at most 5 engine calls and 20
// queries a second, all comparisons included.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createWebhook } from '../../src/control/webhooks.ts';
import { counting } from '../support/counting.ts';
import { edgeSettings } from '../support/free-ports.ts';
import { expectPeace } from '../support/oracle.ts';
import { freshDatabase } from '../support/postgres.ts';
import { openSite } from '../support/site.ts';
import { openWorld, until, type World } from '../support/world.ts';

const sites = 3;
/** Of each of their environments. */
const webhooks = 10;
const nothingToSend = { url: 'https://hooks.example.org/', eventTypes: ['ENVIRONMENT_RENAMED'] } as const;
/** Longer than the period of any comparison. */
const watchedMs = 20_000;
const calls: string[] = [];
const queries: string[] = [];
let world: World;

beforeAll(async () => {
  const { url } = await freshDatabase();
  // As they are where nobody has set anything else.
  const settings = { settleSeconds: 0.3, compareSeconds: 15, edge: await edgeSettings() };
  world = await openWorld(url, {
    settings,
    runtime: counting(calls),
    onQuery: (query) => queries.push(query),
  });
  for (let number = 0; number < sites; number++) {
    const { environmentId } = await openSite(world, { scale: 1 });
    for (let webhook = 0; webhook < webhooks; webhook++)
      await createWebhook(world.control, world.caller, { environmentId, ...nothingToSend });
  }
  await expectPeace(world);
}, 180_000);
afterAll(() => world?.close());

test('is no more than it may be', async () => {
  const settled = performance.now();
  const passed = async () => performance.now() - settled;
  await until('what was under way has ended', passed, (milliseconds) => milliseconds > 3_000);
  calls.length = 0;
  queries.length = 0;
  const since = performance.now();
  const watched = async () => performance.now() - since;
  const milliseconds = await until('enough was seen', watched, (seen) => seen > watchedMs, 2 * watchedMs);
  const each = (seen: readonly unknown[]) => (seen.length * 1_000) / milliseconds;
  console.log(`${each(calls).toFixed(1)} engine calls and ${each(queries).toFixed(1)} queries a second`);
  expect(each(calls)).toBeLessThanOrEqual(5);
  expect(each(queries)).toBeLessThanOrEqual(20);
  // They were made at all.
  expect(calls).toContain('inventory');
  expect(queries.join()).toContain('doubtful');
  expect(queries.join()).toContain('webhooks');
}, 60_000);
