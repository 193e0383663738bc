// Databases and caches beside PostgreSQL (database.test.ts) that run on a machine without a registry: each is deployed to
// healthy by its own handshake, taken for healthy only by it, and MariaDB's data is there after a redeploy.
import { text } from 'node:stream/consumers';
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { readVariable } from '../../src/control/variables.ts';
import { containerName } from '../../src/model/jobs.ts';
import { getEngineKind } from '../../src/model/service-types/index.ts';
import { expectPeace } from '../support/oracle.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import {
  endOfRedeploy,
  newEnvironment,
  newService,
  openWorld,
  redeployed,
  type World,
} from '../support/world.ts';
import { livingJobs } from './looks.ts';

const patience = 180_000;
const runtimes = [
  { type: 'DATABASE', runtime: 'MARIADB' },
  { type: 'CACHE', runtime: 'REDIS' },
  { type: 'CACHE', runtime: 'MEMCACHED' },
] as const;

let database: FreshDatabase;
let world: World;
let environmentId: string;

beforeAll(async () => {
  database = await freshDatabase();
  world = await openWorld(database.url, { settings: { healthySeconds: 90, deadlineSeconds: 150 } });
  environmentId = await newEnvironment(world);
}, patience);
afterAll(async () => {
  await world?.close();
  await database?.drop();
});

const serviceIds: Record<string, string> = {};

test.each(runtimes)(
  '$runtime is deployed, and healthy by its handshake',
  async ({ type, runtime }) => {
    const label = runtime.toLowerCase();
    const { ids } = await createService(world.control, world.caller, { environmentId, type, runtime, label });
    serviceIds[runtime] = ids.serviceId;
    const row = await endOfRedeploy(world, 'redeployId' in ids ? ids.redeployId : '', patience);
    expect(row).toMatchObject({ state: 'SUCCEEDED', reason: 'CREATION', cause: null });
    const [job] = await livingJobs(world, ids.serviceId);
    const { port } = getEngineKind(runtime);
    expect(job).toMatchObject({
      ...{ state: 'RUNNING', health: 'HEALTHY' },
      checkOutput: `The server on port ${port} answers its handshake.`,
    });
    await expectPeace(world);
  },
  patience,
);

test(
  'what was written to MariaDB is there after its redeploy, by the address that code services are given',
  async () => {
    const serviceId = serviceIds.MARIADB ?? '';
    const { serviceId: appId } = await newService(world, { environmentId });
    const address = new URL(await readVariable(world.control, world.caller, appId, 'MARIADB_URL'));
    await inMariadb(serviceId, address, "CREATE TABLE kept (word TEXT); INSERT INTO kept VALUES ('kept')");
    const [before] = await livingJobs(world, serviceId);
    expect((await redeployed(world, serviceId)).state).toBe('SUCCEEDED');
    const [after] = await livingJobs(world, serviceId);
    expect(after?.id).not.toBe(before?.id);
    expect(await inMariadb(serviceId, address, 'SELECT word FROM kept')).toBe('kept\n');
    await expectPeace(world);
  },
  patience,
);

/** By the server's own client, beside it in its container and over the network. */
async function inMariadb(serviceId: string, { hostname, username, password, pathname }: URL, sql: string) {
  expect(hostname).toBe('mariadb');
  const [job] = await livingJobs(world, serviceId);
  const exec = await new Docker().getContainer(containerName(job?.id ?? '')).exec({
    Cmd: [
      ...['mariadb', `--host=${job?.address}`, `--user=${username}`, '--skip-ssl', '-N', '-B', '-e', sql],
      pathname.slice(1),
    ],
    Env: [`MYSQL_PWD=${password}`],
    AttachStdout: true,
    AttachStderr: true,
    Tty: true,
  });
  const said = (await text(await exec.start({ Tty: true }))).replaceAll('\r', '');
  expect((await exec.inspect()).ExitCode, said).toBe(0);
  return said;
}
