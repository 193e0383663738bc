// A secret variable of a service that is built and deployed: its job has it, and neither the container's labels, command and
// mounts, nor the image and its history, nor what its build says give it away, however hard the build tries. (It stands in
// the container's own environment, from where the program reads it.)
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { containerName, releaseTag } from '../../src/model/jobs.ts';
import { canary, sightings } from '../support/canary.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import { newService, openWorld, type Service, until, type World } from '../support/world.ts';
import { livingJobs, outputOf } from './looks.ts';
import { buildLogOf, endOfBuild, push } from './pushed.ts';

const patience = 120_000;
const engine = new Docker();

let database: FreshDatabase;
let world: World;
let service: Service;

beforeAll(async () => {
  database = await freshDatabase();
  world = await openWorld(database.url);
  service = await newService(world, { variables: [{ name: 'CANARY', value: canary }] });
}, patience);
afterAll(async () => {
  await world?.close();
  await database?.drop();
});

test(
  'a canary is seen by the job alone',
  async () => {
    const { id } = await push(world, service.serviceId, {
      Dockerfile: [
        'FROM busybox:1',
        'ARG CANARY',
        'ENV COPY_OF=$CANARY',
        'RUN env; set; echo "it is <$CANARY>"',
        // Somebody has put it into the source: then at least the log doesn't spread it.
        'COPY leaked.txt /tmp/leaked.txt',
        'RUN cat /tmp/leaked.txt; rm /tmp/leaked.txt; echo "that was it"',
        `CMD ["sh", "-c", "echo \\"$CANARY\\"; echo \\"$CANARY\\" > /tmp/index.html; exec httpd -f -p 8080 -h /tmp"]`,
      ].join('\n'),
      'leaked.txt': `token: ${canary} and no more\n`,
    });
    const built = await endOfBuild(world, id, patience);
    const log = (await buildLogOf(world, id)).join('\n');
    expect(built, log).toMatchObject({ state: 'FINISHED' });
    expect(log).toContain('it is <>');
    expect(log).toContain('token: [redacted] and no more');
    expect(sightings(log)).toEqual([]);

    const job = await until(
      'a healthy job',
      async () => (await livingJobs(world, service.serviceId))[0],
      (seen) => seen?.health === 'HEALTHY',
      patience,
    );
    const image = engine.getImage(releaseTag(service.serviceId, built.commit ?? ''));
    const told = JSON.stringify([await image.inspect(), await image.history()]);
    expect(told).toContain('COPY_OF');
    expect(sightings(told)).toEqual([]);

    const container = await engine.getContainer(containerName(job?.id ?? '')).inspect();
    expect(Object.keys(container.Config.Labels).length).toBeGreaterThan(2);
    const { Env, ...config } = container.Config;
    expect(sightings(JSON.stringify({ ...container, Config: config }))).toEqual([]);
    expect(
      sightings(JSON.stringify(await engine.getNetwork(container.HostConfig.NetworkMode ?? '').inspect())),
    ).toEqual([]);

    // The same look finds it where it is: in the container's environment, and in what the job itself serves.
    expect(sightings(JSON.stringify(Env)).length).toBeGreaterThan(0);
    const page = await fetch(`http://${job?.address}:8080/`);
    expect((await page.text()).trim()).toBe(canary);
    expect(await outputOf(world, job?.id ?? '')).toContain('[redacted]');
    expect(sightings(await outputOf(world, job?.id ?? ''))).toEqual([]);
  },
  patience,
);
