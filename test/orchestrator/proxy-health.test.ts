// Health gating as a subscriber sees it: a job that begins to fail its check leaves rotation, its container untouched, and
// returns when it passes again; the proxy shows the same, and visitors notice nothing.
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { streamEvents } from '../../src/control/event-stream.ts';
import { updateService } from '../../src/control/update-service.ts';
import type { LoggedEvent } from '../../src/model/events.ts';
import { containerName } from '../../src/model/jobs.ts';
import { expectPeace } from '../support/oracle.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import { addressOf, openSite, runningJobs, type Site, sendVisitors, siteCommands } from '../support/site.ts';
import { shownBy } from '../support/site-watch.ts';
import { newRelease, openWorld, redeployed, until, type World } from '../support/world.ts';

const engine = new Docker();
let database: FreshDatabase;
let world: World;

beforeAll(async () => {
  database = await freshDatabase();
  world = await openWorld(database.url, { settings: { settleSeconds: 0.3 } });
});
afterAll(async () => {
  await world?.close();
  await database?.drop();
});

async function within(jobId: string, command: string): Promise<void> {
  const exec = await engine.getContainer(containerName(jobId)).exec({ Cmd: ['sh', '-c', command] });
  await exec.start({ Detach: true });
}

/** All events of one job from now on. */
function subscribe({ environmentId }: Site, jobId: string) {
  const stop = new AbortController();
  const heard: LoggedEvent[] = [];
  const reading = (async () => {
    const selection = { environmentId, begin: 'NOW' as const, ended: async () => false };
    for await (const item of streamEvents(world.control, selection, stop.signal))
      if (item.kind === 'ITEM' && item.item.jobId === jobId) heard.push(item.item);
  })();
  return {
    heard,
    hears: (count: number, boundMs: number) =>
      until(
        `${count} events`,
        async () => heard.map(wordOf),
        (words) => words.length >= count,
        boundMs,
      ),
    end: async () => {
      stop.abort();
      await reading;
    },
  };
}

function wordOf({ type, data }: LoggedEvent): string {
  const said = data as { health?: string; rotation?: string };
  return `${type} ${said.health ?? said.rotation}`;
}

async function stateShown(site: Site, jobId: string): Promise<string | undefined> {
  const [proxy] = await runningJobs(world, site.proxyId);
  if (proxy === undefined) throw new Error('no proxy runs');
  return (await shownBy(world.control, proxy)).find((server) => server.name === jobId)?.state;
}

interface Gating {
  readonly site: Site;
  readonly fail: string;
  readonly mend: string;
  readonly cause: RegExp;
  readonly boundMs: number;
}

async function expectGating({ site, fail, mend, cause, boundMs }: Gating): Promise<void> {
  await expectPeace(world);
  const [job, other] = await runningJobs(world, site.serviceId);
  const [id, otherId] = [job?.id ?? '', other?.id ?? ''];
  const load = sendVisitors(await addressOf(world, site), site.host);
  const subscriber = subscribe(site, id);
  await within(id, fail);
  expect(await subscriber.hears(2, boundMs)).toEqual(['JOB_CHANGED UNHEALTHY', 'ROTATION_CHANGED DRAINING']);
  expect(subscriber.heard[0]?.message).toMatch(cause);
  expect([await stateShown(site, id), await stateShown(site, otherId)]).toEqual(['DRAIN', 'READY']);
  await within(id, mend);
  const words = await subscriber.hears(4, boundMs);
  expect(words.slice(2)).toEqual(['JOB_CHANGED HEALTHY', 'ROTATION_CHANGED IN']);
  expect(await stateShown(site, id)).toBe('READY');
  await subscriber.end();
  const { seen, failures } = await load.end();
  expect(Object.keys(seen), failures.slice(0, 5).join('; ')).toEqual(['200']);
  // The same container all along.
  const now = await runningJobs(world, site.serviceId);
  expect(now.map((each) => [each.id, each.containerId])).toEqual(
    [job, other].map((each) => [each?.id, each?.containerId]),
  );
  await expectPeace(world);
}

test.concurrent('by an HTTP check, with what it answered as the cause', async () => {
  const site = await openSite(world);
  const { serviceId } = site;
  const healthCheck = { path: '/health', intervalSeconds: 1, unhealthyThreshold: 2, healthyThreshold: 2 };
  await updateService(world.control, world.caller, { serviceId, healthCheck });
  const web = siteCommands.web.replace('mkdir -p /tmp/www/cgi-bin', '$& && echo well > /tmp/www/health');
  await newRelease(world, serviceId, { web });
  expect((await redeployed(world, serviceId)).state).toBe('SUCCEEDED');
  const [fail, mend] = ['rm /tmp/www/health', 'echo well > /tmp/www/health'];
  await expectGating({ site, fail, mend, cause: /failed its check 2 times in a row.*404/, boundMs: 15_000 });
}, 120_000);

test.concurrent('by the standard check, which only wants its port to be open', async () => {
  const site = await openSite(world);
  const { serviceId } = site;
  const web = siteCommands.web.replace(/exec (httpd) -f (.*)$/, '$1 $2; while true; do sleep 1; done');
  await newRelease(world, serviceId, { web });
  expect((await redeployed(world, serviceId)).state).toBe('SUCCEEDED');
  const [fail, mend] = ['killall httpd', 'httpd -p 8080 -h /tmp/www'];
  await expectGating({
    site,
    fail,
    mend,
    cause: /failed its check 3 times in a row.*refused/i,
    boundMs: 40_000,
  });
}, 150_000);

test('a proxy counts as healthy only with the rotation that is wanted by then', {
  timeout: 120_000,
}, async () => {
  const { raw } = world.control.store;
  // Refused at the commit otherwise, so that it would never become healthy.
  await raw`create function told() returns trigger language plpgsql as $$ begin
    if exists (select from jobs where id = new.id and applied ? 'doubtful') then raise exception 'not told yet'; end if;
    return null; end $$`;
  await raw`create constraint trigger told after update of health on jobs deferrable initially deferred for each row
    when (old.health is distinct from 'HEALTHY' and new.health = 'HEALTHY' and new.applied is not null)
    execute function told()`;
  try {
    const site = await openSite(world);
    expect((await redeployed(world, site.proxyId)).state).toBe('SUCCEEDED');
    const [proxy] = await runningJobs(world, site.proxyId);
    await world.control.store.raw`update jobs set health = 'UNHEALTHY' where id = ${proxy?.id ?? ''}`;
    await until(
      'it has returned',
      () => runningJobs(world, site.proxyId),
      (jobs) => jobs[0]?.health === 'HEALTHY',
      60_000,
    );
  } finally {
    await raw`drop trigger told on jobs`;
  }
});
