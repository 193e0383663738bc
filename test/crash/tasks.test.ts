// kill -9 at every named point of what one replica does for all: marking health, looking after the edge, obtaining
// certificates. Another process goes on, all ends as if nothing had been, and a client that follows misses nothing.
import Docker from 'dockerode';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { requestCertificate } from '../../src/control/certificates.ts';
import { createSite } from '../../src/control/sites.ts';
import { updateService } from '../../src/control/update-service.ts';
import { containerName } from '../../src/model/jobs.ts';
import type { EdgeSettings } from '../../src/orchestrator/deps.ts';
import { type Point, type TaskName, taskNames } from '../../src/orchestrator/points.ts';
import {
  type CertificateRow,
  listCertificatesById,
  updateCertificate,
} from '../../src/postgres/certificates.ts';
import { type AcmeBench, openAcmeBench } from '../certificates/acme-bench.ts';
import { type CrashChild, startChild } from '../support/crash-child.ts';
import { edgeSettings } from '../support/free-ports.ts';
import { expectPeace } from '../support/oracle.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import { openSite, runningJobs, type Site, siteCommands } from '../support/site.ts';
import { visit } from '../support/visit.ts';
import { newRelease, openWorld, redeployed, until, type World } from '../support/world.ts';
import { moments } from './cover.ts';
import { type Follower, follow } from './follower.ts';

const engine = new Docker();
const host = 'shop.test';
/** Its program goes on when what it answers with does not. */
const web = siteCommands.web.replace(/exec (httpd) -f (.*)$/, '$1 $2; while true; do sleep 1; done');
let bench: AcmeBench;
let database: FreshDatabase;
let edge: EdgeSettings;
let world: World;
let child: CrashChild;
let site: Site;
let follower: Follower;
let certificateId = '';
const passed: Point[] = [];

beforeAll(async () => {
  [bench, database, edge] = await Promise.all([openAcmeBench([host]), freshDatabase(), edgeSettings()]);
  const settings = { edge, acmeDirectory: bench.directoryUrl };
  world = await openWorld(database.url, { orchestrate: false, settings });
  child = await start();
  site = await openSite(world, { scale: 1 });
  bench.lead(edge.httpPort);
  await prepareSite(site);
  follower = follow(world.control, site.environmentId);
}, 180_000);
afterEach(() => expectPeace(world));
afterAll(async () => {
  await child?.end();
  await world?.close();
  await database?.drop();
  await bench?.close();
});

test.each(pointsOf('MARK_HEALTH'))(
  '%s: a job that fails its check leaves rotation, and returns',
  async (point) => {
    await dieAt(point, () => inJob('killall httpd'));
    await until('it is unhealthy', healthOfJob, (health) => health === 'UNHEALTHY');
    await answers('503');
    await inJob('httpd -p 8080 -h /tmp/www');
    await until('it is healthy', healthOfJob, (health) => health === 'HEALTHY');
    await answers('200');
  },
);

test.each(pointsOf('START_EDGE'))(
  '%s: an edge that somebody has removed is there again, once',
  async (point) => {
    await dieAt(point, () => engine.getContainer(edgeName()).remove({ force: true }));
    await answers('200');
    const mine = { label: [`berth.installation=${world.engine.id}`] };
    const names = (await engine.listContainers({ all: true, filters: mine })).flatMap(({ Names }) => Names);
    expect(names.filter((name) => name.includes('edge'))).toEqual([`/${edgeName()}`]);
  },
);

test.each(pointsOf('TELL_EDGE'))('%s: the edge has what is wanted by then', async (point) => {
  const { raw } = world.control.store;
  const move = (slot: number) =>
    raw`update environments set edge_slot = ${slot} where id = ${site.environmentId}`;
  await dieAt(
    point,
    () => move(7),
    () => move(3),
  );
  const applied = async () => (await raw`select applied from edges`)[0]?.applied;
  await until(
    'it is told',
    applied,
    (seen) => seen?.doubtful === undefined && seen?.places[site.proxyId]?.slot === 3,
  );
  await answers('200');
});

test.each([...pointsOf('OBTAIN_CERTIFICATE'), ...pointsOf('PUBLISH_ANSWER')])(
  '%s: a certificate is renewed all the same',
  async (point) => {
    const before = (await certificate())?.fingerprint;
    await dieAt(point, makeDue);
    const isNew = (row?: CertificateRow) => row?.fingerprint !== before;
    const renewed = await until('it is renewed', certificate, isNew, 30_000);
    expect(renewed).toMatchObject({ state: 'READY', failure: null, tries: 0 });
  },
);

test('that was every point of every task, and whoever followed has seen each event once and in order', async () => {
  expect(passed.toSorted()).toEqual(taskNames.flatMap(pointsOf).toSorted());
  expect(await follower.end()).toEqual([]);
});

function pointsOf(task: TaskName): Point[] {
  return moments.map((moment): Point => `${task}:${moment}`);
}

function start(): Promise<CrashChild> {
  const { directoryUrl: acmeDirectory, trust: acmeTrust } = bench;
  const settings = { settleSeconds: 0.3, edge, acmeDirectory, acmeTrust };
  return startChild({ url: world.url, dataDirectory: world.dataDirectory, settings });
}

/** A site that the authority finds, whose check is a quick one, and a certificate for it. */
async function prepareSite({ environmentId, serviceId, proxyId }: Site): Promise<void> {
  const { control, caller } = world;
  const healthCheck = { intervalSeconds: 1, unhealthyThreshold: 2, healthyThreshold: 1 };
  await updateService(control, caller, { serviceId, healthCheck });
  await newRelease(world, serviceId, { web });
  await createSite(control, caller, { environmentId, serviceId, host });
  for (const id of [serviceId, proxyId])
    expect(await redeployed(world, id)).toMatchObject({ state: 'SUCCEEDED' });
  await answers('200');
  const input = { environmentId, name: host, source: 'ACME' as const, hosts: [host] };
  ({ certificateId } = (await requestCertificate(control, caller, input)).ids);
  await until('it is obtained', certificate, (row) => row?.state === 'READY', 30_000);
}

/** The process dies as it passes the point, on the way that `begin` sets it on. */
async function dieAt(
  point: Point,
  begin: () => Promise<unknown>,
  meanwhile = async (): Promise<unknown> => undefined,
): Promise<void> {
  await child.arm(point);
  await begin();
  await child.waitFor(`hit ${point}`);
  await child.dead;
  passed.push(point);
  await meanwhile();
  child = await start();
  await follower.cut();
}

async function inJob(command: string): Promise<void> {
  const [job] = await runningJobs(world, site.serviceId);
  const container = engine.getContainer(containerName(job?.id ?? ''));
  const exec = await container.exec({ Cmd: ['sh', '-c', command] });
  await exec.start({ Detach: true });
}

async function healthOfJob(): Promise<string | null | undefined> {
  return (await runningJobs(world, site.serviceId))[0]?.health;
}

async function certificate(): Promise<CertificateRow | undefined> {
  return (await listCertificatesById(world.control.store.db, [certificateId]))[0];
}

/** As if its time had come. */
async function makeDue(): Promise<void> {
  await world.control.store.db.transaction((tx) =>
    updateCertificate(tx, certificateId, { dueAt: new Date(0) }),
  );
}

function answers(status: string) {
  const look = async () => (await visit({ port: edge.httpPort }, host)).status;
  return until(`the edge answers ${status}`, look, (seen) => seen === status, 30_000);
}

function edgeName(): string {
  return `berth-edge-${world.engine.id}`;
}
