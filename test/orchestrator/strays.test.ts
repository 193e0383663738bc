// What turns up on the engine of something that is deleted goes by the next comparison, and with it nothing that merely
// calls itself so.
import Docker from 'dockerode';
import { eq, sql } from 'drizzle-orm';
import { expect, test } from 'vitest';
import { deleteEnvironment } from '../../src/control/environments.ts';
import { containerName, networkName, volumeName } from '../../src/model/jobs.ts';
import { listEnvironmentsById } from '../../src/postgres/environments.ts';
import { isOutputGone, listLastLines } from '../../src/postgres/job-lines.ts';
import type { JobRow } from '../../src/postgres/jobs.ts';
import { jobs as jobsTable } from '../../src/postgres/tables/jobs.ts';
import { volumes as volumesTable } from '../../src/postgres/tables/services.ts';
import { type ContainerSpec, EngineFault, labels, type Runtime } from '../../src/runtime/runtime.ts';
import { inWorld } from '../support/in-world.ts';
import { goodCommands, newService, redeployed, until, type World, workerCommand } from '../support/world.ts';
import { jobsOf } from './looks.ts';

interface Left {
  readonly environmentId: string;
  readonly serviceId: string;
  readonly jobId: string;
}

async function deletedService(world: World): Promise<Left> {
  const { control, caller } = world;
  const { environmentId, serviceId } = await newService(world);
  await redeployed(world, serviceId);
  const [job] = await jobsOf(world, serviceId);
  const [environment] = await listEnvironmentsById(control.store.db, [environmentId]);
  await deleteEnvironment(control, caller, { environmentId, confirm: environment?.namespace ?? '' });
  await until(
    'the environment is deleted',
    () => listEnvironmentsById(control.store.db, [environmentId]),
    ([row]) => row?.deletedAt != null,
  );
  return { environmentId, serviceId, jobId: job?.id ?? '' };
}

/** As a start that was slow to arrive would leave it. */
async function startAgain(world: World, { environmentId, serviceId, jobId }: Left, name: string) {
  const own = { [labels.installation]: world.engine.id, [labels.environment]: environmentId };
  const network = networkName(environmentId);
  const spec: ContainerSpec = {
    ...{ name, labels: { ...own, [labels.service]: serviceId, [labels.job]: jobId } },
    ...{ imageId: world.imageId, command: ['sh', '-c', workerCommand], environment: {}, network },
    ...{ aliases: [], memoryBytes: 64 * 1024 * 1024, cpuMillis: 500, processLimit: 64 },
    ...{ capabilities: [], readOnlyRoot: true, tmpfs: {} },
  };
  const start = () =>
    world.runtime
      .ensureNetwork({ name: network, labels: own })
      .then(() => world.runtime.startContainer(spec))
      .then(
        () => true,
        () => false,
      );
  // The comparison may be quicker and take the network away before anything runs in it.
  await until('it runs', start, (runs) => runs);
}

test('containers, networks and volumes of what is deleted are removed, those that only bear its labels are not', async () => {
  await inWorld({ settings: { compareSeconds: 1 } }, async (world) => {
    const late = await deletedService(world);
    // Its start was never answered.
    await world.control.store.db
      .update(jobsTable)
      .set({ containerId: null })
      .where(eq(jobsTable.id, late.jobId));
    await startAgain(world, late, containerName(late.jobId));
    const volume = volumeName(late.serviceId);
    const removed = { name: volume, serviceId: late.serviceId, removedAt: new Date() };
    await world.control.store.db.insert(volumesTable).values(removed);
    await world.runtime.ensureVolume({ name: volume, labels: { [labels.installation]: world.engine.id } });
    const known = await deletedService(world);
    await startAgain(world, known, containerName(known.jobId));
    const seen = await until(
      'what is left has gone',
      () => world.runtime.inventory(world.engine.id),
      ({ networks, containers, volumes }) =>
        networks.length === 1 && containers.length === 1 && volumes.length === 0,
    );
    // Another container of the job's name than the one that was started for it: a forgery, with the network it is in.
    expect(seen).toMatchObject({
      containers: [{ name: containerName(known.jobId), state: 'RUNNING' }],
      networks: [{ name: networkName(known.environmentId) }],
    });
  });
}, 90_000);

test('a container created late for a job that was cleaned away goes as well, and what it had said stays', async () => {
  await inWorld({ settings: { compareSeconds: 1 } }, async (world) => {
    const web = `echo I was here; ${goodCommands.web}`;
    const { environmentId, serviceId } = await newService(world, { commands: { web } });
    await redeployed(world, serviceId);
    const [job] = await jobsOf(world, serviceId);
    await redeployed(world, serviceId);
    const isCleaned = (rows: readonly JobRow[]) => rows.find(({ id }) => id === job?.id)?.cleaned === true;
    await until('the old job is cleaned away', () => jobsOf(world, serviceId), isCleaned);
    const name = containerName(job?.id ?? '');
    await new Docker().createContainer({
      name,
      Image: world.imageId,
      Labels: {
        ...{ [labels.installation]: world.engine.id, [labels.environment]: environmentId },
        ...{ [labels.service]: serviceId, [labels.job]: job?.id ?? '' },
      },
    });
    const look = () => world.runtime.inspectContainer(name, world.engine.id);
    await until('it is gone again', look, (seen) => seen === undefined);
    await until('the old job is cleaned away again', () => jobsOf(world, serviceId), isCleaned);
    expect(await listLastLines(world.control.store.db, job?.id ?? '', 5)).toMatchObject([
      { text: 'I was here' },
    ]);
    expect(await isOutputGone(world.control.store.db, job?.id ?? '')).toBe(false);
  });
}, 60_000);

test('output that the engine refuses to give out keeps its container for a while and not for ever', async () => {
  let unreadable = '';
  const refusing = (runtime: Runtime): Runtime => ({
    ...runtime,
    readLogs: (name, options) => {
      if (name === unreadable) throw new EngineFault('read log', 'The log can not be read.', 500);
      return runtime.readLogs(name, options);
    },
  });
  await inWorld({ runtime: refusing }, async (world) => {
    const { serviceId } = await newService(world);
    await redeployed(world, serviceId);
    const [job] = await jobsOf(world, serviceId);
    const id = job?.id ?? '';
    unreadable = containerName(id);
    await redeployed(world, serviceId);
    const { db } = world.control.store;
    const past = sql`now() - make_interval(secs => 25)`;
    await db.update(jobsTable).set({ stoppedAt: past }).where(eq(jobsTable.id, id));
    const find = async () => (await jobsOf(world, serviceId)).find((each) => each.id === id);
    expect(await find()).toMatchObject({ state: 'STOPPED', cleaned: false });
    expect(await world.runtime.inspectContainer(unreadable, world.engine.id)).toBeDefined();
    await until('it is cleaned away', find, (seen) => seen?.cleaned === true, 30_000);
    expect(await isOutputGone(db, id)).toBe(true);
  });
}, 60_000);
