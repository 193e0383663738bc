// What a job runs and what it is given: a Procfile's line and a task's vector are the program itself whatever entry point the
// image has, and variables arrive byte for byte, from the mutation through the vault into the process.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runTask } from '../../src/control/jobs.ts';
import { setVariables } from '../../src/control/variables.ts';
import { deployWorker } from '../../src/control/workers.ts';
import { hasEnded } from '../../src/model/jobs.ts';
import { listJobsById } from '../../src/postgres/jobs.ts';
import { busyboxChanges, busyboxTar } from '../support/busybox.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import {
  goodCommands,
  newRelease,
  newService,
  openWorld,
  redeployed,
  until,
  type World,
} from '../support/world.ts';
import { livingJobs, outputOf } from './looks.ts';

let database: FreshDatabase;
let world: World;

beforeAll(async () => {
  database = await freshDatabase();
  world = await openWorld(database.url);
});
afterAll(async () => {
  await world?.close();
  await database?.drop();
});

/** Runs a task to its end; answers with its exit code and output. */
async function task(serviceId: string, command: readonly string[]) {
  const { ids } = await runTask(world.control, world.caller, { serviceId, command });
  const look = async () => (await listJobsById(world.control.store.db, [ids.jobId]))[0];
  const job = await until(
    'the task ends',
    look,
    (seen) => seen !== undefined && hasEnded(seen.state) && seen.cleaned,
  );
  return { exitCode: job?.exitCode, output: await outputOf(world, ids.jobId) };
}

test("an image's entry point takes neither a Procfile's line nor a task for its arguments", async () => {
  const { serviceId } = await newService(world);
  const tag = `berth-test-entry-${world.engine.id.slice(0, 8)}:1`;
  const label = `LABEL berth.installation=${world.engine.id}`;
  const changes = [...busyboxChanges, label, 'ENTRYPOINT ["/bin/echo", "arguments:"]'];
  const imageId = await world.runtime.importImage(tag, await busyboxTar(), changes);
  await newRelease(world, serviceId, goodCommands, imageId);
  expect((await redeployed(world, serviceId)).state).toBe('SUCCEEDED');
  await deployWorker(world.control, world.caller, { serviceId, target: 'worker', count: 1 });
  const healthy = (jobs: Awaited<ReturnType<typeof livingJobs>>) =>
    jobs.some(({ type, health }) => type === 'WORKER' && health === 'HEALTHY');
  await until('the worker runs', () => livingJobs(world, serviceId), healthy);
  expect(await task(serviceId, ['sh', '-c', 'echo "$0" ran; exit 7', 'itself'])).toEqual({
    exitCode: 7,
    output: 'itself ran',
  });
});

test('variables set by the mutation are in the process byte for byte', async () => {
  const { serviceId } = await newService(world);
  const text = fc
    .string({ unit: 'binary', minLength: 1, maxLength: 30 })
    .filter((value) => !value.includes('\0'));
  const odd = [
    '',
    ' ',
    '$HOME `id` $(id)',
    '#no comment',
    `'"\\`,
    'a\nb\r\n\tc',
    '{{.Config.Env}} {{ }}',
    '=A=b',
    '😀 ü \u2028',
  ];
  const values = [...odd, ...fc.sample(text, { numRuns: 20, seed: 4 })];
  const variables = values.map((value, index) => ({ name: `ODD_${index}`, value }));
  await setVariables(world.control, world.caller, { serviceId, variables });
  expect((await redeployed(world, serviceId)).state).toBe('SUCCEEDED');
  const { exitCode, output } = await task(serviceId, ['base64', '/proc/self/environ']);
  expect(exitCode).toBe(0);
  const environment = Buffer.from(output.replaceAll('\n', ''), 'base64').toString('utf8').split('\0');
  for (const { name, value } of variables) expect(environment).toContain(`${name}=${value}`);
});
