// A server whose own clock is off by an hour, either way, decides as any other: what has a time is judged by the database's
// clock, which all servers share.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { createEnvironment } from '../../src/control/environments.ts';
import { watchTokens } from '../../src/control/token-watch.ts';
import { authenticate, createToken } from '../../src/control/tokens.ts';
import { pruneEvents } from '../../src/postgres/event-log.ts';
import { pruneKeys } from '../../src/postgres/idempotency.ts';
import { listRedeploysById } from '../../src/postgres/redeploys.ts';
import { type ControlWorld, openControl } from '../support/control.ts';
import { freshDatabase } from '../support/postgres.ts';
import { newService, openWorld, redeployed, until } from '../support/world.ts';
import { withClockOff } from './clock-off.ts';

const hour = 3_600_000;
const minute = 60_000;
const seconds = 1_000;
/** Taken before anybody's clock is off. */
const now = () => performance.timeOrigin + performance.now();

describe.each([
  ['an hour ahead', hour],
  ['an hour behind', -hour],
])('a server %s', (_how, off) => {
  let world: ControlWorld;
  beforeAll(async () => {
    world = await openControl();
  });
  afterAll(() => world.close());
  const wrongly = <T>(work: () => Promise<T>) => withClockOff(off, work);

  const making = (expiresAt: Date) =>
    createToken(world.control, world.token.caller, { name: 'short', scopes: ['read'], expiresAt });

  test('makes a token that expires in half an hour, and none that expired half an hour ago', async () => {
    await wrongly(() => making(new Date(now() + 30 * minute)));
    const late = wrongly(() => making(new Date(now() - 30 * minute)));
    await expect(late).rejects.toMatchObject({ code: 'INVALID', inputPath: ['input', 'expiresAt'] });
  });

  test('takes a token until it expires, and ends what lives on it then', async () => {
    const { control } = world;
    const valid = await world.addToken({ expiresAt: new Date(now() + 30 * minute) });
    const past = await world.addToken({ expiresAt: new Date(now() - 30 * minute) });
    const short = await world.addToken({ expiresAt: new Date(now() + 3 * seconds) });
    await wrongly(async () => {
      expect(await authenticate(control, valid.secret, undefined)).toBeDefined();
      expect(await authenticate(control, past.secret, undefined)).toBeUndefined();
      const watch = watchTokens(control);
      const ended: string[] = [];
      for (const { id } of [valid, short]) watch.watch(id, () => ended.push(id));
      await until(
        'the short one ends',
        async () => ended,
        (seen) => seen.length > 0,
        6_000,
      );
      expect(ended).toEqual([short.id]);
      watch.close();
    });
    expect(await authenticate(control, short.secret, undefined)).toBeUndefined();
  });

  test('gives a redeploy its whole deadline', async () => {
    const { control, token } = world;
    const environmentId = await world.addEnvironment();
    const input = { environmentId, type: 'CACHE', label: 'cache', runtime: 'REDIS' } as const;
    const { ids } = await wrongly(() => createService(control, token.caller, input));
    const [row] = await listRedeploysById(control.store.db, ['redeployId' in ids ? ids.redeployId : '']);
    const left = (row?.deadlineAt.getTime() ?? 0) - now();
    expect(left).toBeGreaterThan(590 * seconds);
    expect(left).toBeLessThan(610 * seconds);
  });

  test('keeps keys and events as long as they are to be kept, and no longer', async () => {
    const { control, token } = world;
    const { raw } = control.store;
    const make = (name: string) => {
      const input = { name, kind: 'SANDBOX' as const, idempotencyKey: `key of ${name}` };
      return createEnvironment(control, token.caller, input);
    };
    const young = await wrongly(() => make('Young'));
    const old = await wrongly(() => make('Old'));
    await raw`update idempotency_keys set created_at = now() - interval '47 hours 30 minutes' where key = 'key of Young'`;
    await raw`update idempotency_keys set created_at = now() - interval '48 hours 30 minutes' where key = 'key of Old'`;
    const at = async (environmentId: string, age: string) => {
      await world.addEvents(environmentId, 5);
      await raw`update events set occurred_at = now() - ${age}::interval where environment_id = ${environmentId}`;
    };
    await at(young.ids.environmentId, '6 days 23 hours 30 minutes');
    await at(old.ids.environmentId, '7 days 30 minutes');
    await wrongly(() => pruneKeys(control.store));
    await wrongly(() => pruneEvents(control.store, 2, 7));
    const again = await make('Young');
    expect(again).toEqual(young);
    expect((await make('Old')).ids.environmentId).not.toBe(old.ids.environmentId);
    const counted = async (id: string) => (await control.log.read(id, 0, 100, { fromTable: true })).length;
    expect(await counted(young.ids.environmentId)).toBe(6);
    expect(await counted(old.ids.environmentId)).toBe(2);
  });

  test('carries out a redeploy within its deadline and replaces what dies, neither early nor late', async () => {
    const database = await freshDatabase();
    const plane = await openWorld(database.url);
    try {
      await wrongly(async () => {
        const { serviceId } = await newService(plane);
        expect(await redeployed(plane, serviceId)).toMatchObject({ state: 'SUCCEEDED', cause: null });
        const containers = async () => (await plane.runtime.inventory(plane.engine.id)).containers;
        const [first] = await containers();
        await plane.runtime.removeContainer(first?.name ?? '', plane.engine.id);
        await until('it is replaced', containers, (seen) => seen.some(({ name }) => name !== first?.name));
      });
    } finally {
      await plane.close();
      await database.drop();
    }
  }, 90_000);
});
