// What becomes of pushes: builds that fail deploy nothing, apps that fail bring the last good release back with the cause,
// and the log of a build can be followed live and taken up again.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDocker } from '../src/runtime/docker.ts';
import { labels } from '../src/runtime/runtime.ts';
import { busyboxChanges, busyboxTar } from './support/busybox.ts';
import { newInstallation } from './support/engine.ts';
import { ask, type ServerProcess, startServer, until } from './support/server.ts';
import { newSource, type Source } from './support/source.ts';
import { readEvents } from './support/sse.ts';

const patience = 90_000;
const good = `require('node:http').createServer((_, response) => response.end('good')).listen(process.env.PORT);`;

/** Under a public name, as one loaded on the engine, with an instruction of its own for every build on top of it. */
const base = newInstallation();
const baseWithTriggers = `julia:${base.id}`;

let data: string;
let server: ServerProcess;
let source: Source;
let environmentId: string;
let remote: string;

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'berth-pushes-'));
  await chmod(data, 0o711);
  server = await startServer(
    data,
    { BERTH_HELLO: 'no', BERTH_HEALTHY_SECONDS: '4', BERTH_SETTLE_SECONDS: '1' },
    patience,
  );
  const made = await ask<{ createEnvironment: { environment: { id: string } } }>(
    server,
    `mutation { createEnvironment(input: { name: "Pushes", namespace: "pushes", kind: SANDBOX,
      services: [{ type: CODE, label: "web" }] }) { ... on CreateEnvironmentPayload { environment { id } } } }`,
  );
  environmentId = made.createEnvironment.environment.id;
  remote = `${server.url.replace('http://', `http://berth:${server.token}@`)}/git/pushes/web.git`;
  source = await newSource();
  const runtime = openDocker({ host: undefined, subnetRange: '10.211.0.0/16' });
  const trigger = 'ONBUILD RUN echo the trigger ran';
  const changes = [...busyboxChanges, trigger, `LABEL ${labels.installation}=${base.id}`];
  await runtime.importImage(baseWithTriggers, await busyboxTar(), changes);
  runtime.close();
}, patience);

afterAll(async () => {
  await ask(
    server,
    `mutation { deleteEnvironment(input: { environmentId: "${environmentId}", confirm: "pushes" }) { __typename } }`,
  );
  await until('the deletion', patience, async () =>
    (await ask<{ environment: unknown }>(server, '{ environment(namespace: "pushes") { id } }'))
      .environment === null
      ? true
      : undefined,
  );
  await server.stop();
  await source.remove();
  await base.removeAll();
  await rm(data, { recursive: true, force: true });
}, patience);

interface Seen {
  readonly status: string;
  readonly release: { readonly commit: string } | null;
  readonly builds: {
    readonly nodes: readonly {
      readonly id: string;
      readonly state: string;
      readonly reason: string;
      readonly commit: string;
    }[];
  };
  readonly redeploys: {
    readonly nodes: readonly { readonly state: string; readonly cause: Record<string, unknown> | null }[];
  };
  readonly running: { readonly nodes: readonly { readonly address: string }[] };
}

async function look(): Promise<Seen> {
  const seen = await ask<{ service: Seen }>(
    server,
    `{ service(namespace: "pushes", label: "web") { status release { commit }
      builds: jobs(first: 10, types: [BUILD]) { nodes { id state reason commit } }
      running: jobs(first: 10, types: [DEPLOY], states: [RUNNING]) { nodes { address } }
      redeploys(first: 10) { nodes { state cause { __typename
        ... on ContainerExited { exitCode lastLines } ... on HealthCheckFailed { check lastOutput } } } } } }`,
  );
  return seen.service;
}

/** What the engine has of the service. */
async function leftOver() {
  const { id } = (
    await ask<{ service: { id: string } }>(server, '{ service(namespace: "pushes", label: "web") { id } }')
  ).service;
  const localId = Buffer.from(id, 'base64url').toString().split(':')[1];
  const filters = { label: [`${labels.service}=${localId}`] };
  const engine = new Docker();
  const images = await engine.listImages({ filters });
  const containers = await engine.listContainers({ all: true, filters });
  return { images: images.map(({ RepoTags }) => RepoTags), containers: containers.map(({ Names }) => Names) };
}

async function served(): Promise<string> {
  const [job] = (await look()).running.nodes;
  return (await fetch(`http://${job?.address}:8080`)).text();
}

test.each([
  ['a source that is not recognised', { 'notes.txt': 'nothing' }, /Node\.js.*Python/s],
  ['a Dockerfile with a fault', { 'notes.txt': null, Dockerfile: 'FRUM node:24\n' }, /Dockerfile/],
  [
    "a base that is Berth's own program",
    { Dockerfile: 'FROM berth/monitoring\nCMD ["x"]\n' },
    /berth\/monitoring is Berth's own/,
  ],
  [
    'a base image that does not exist',
    { Dockerfile: 'FROM nobody-has-this:1\nCMD ["x"]\n' },
    /The image nobody-has-this:1 can only come from its registry.*there is no local recipe for it\. Use an official image/s,
  ],
  [
    'a base image that brings instructions of its own',
    { Dockerfile: `FROM ${baseWithTriggers}\nCMD ["x"]\n` },
    /brings instructions of its own into every build \(ONBUILD\)\. Choose a base without them\./,
  ],
  [
    'a step that fails',
    { Dockerfile: 'FROM busybox:1\nRUN echo before && exit 3\n' },
    /returned a non-zero code: 3/,
  ],
  ['a Procfile without web', { Dockerfile: 'FROM busybox:1\n', Procfile: 'worker: true\n' }, /web/],
])(
  '%s is told to the pusher, fails its build, and deploys nothing',
  async (_name, files, said) => {
    const commit = await source.commit(files);
    const pushed = await source.push(remote);
    expect(pushed.accepted).toBe(true);
    expect(pushed.said).toMatch(said);
    expect(pushed.said).toContain('Nothing was deployed.');
    const seen = await look();
    expect(seen.builds.nodes[0]).toMatchObject({ commit, state: 'FAILED' });
    expect(seen.builds.nodes[0]?.reason).toMatch(said);
    expect(seen.redeploys.nodes).toEqual([]);
    expect(seen).toMatchObject({ status: 'NOT_DEPLOYED', release: null });
    expect(pushed.said).not.toContain('the trigger ran');
    expect(await leftOver()).toEqual({ images: [], containers: [] });
  },
  patience,
);

test(
  'a first release that exits at once fails with its exit code and last lines, and leaves nothing running',
  async () => {
    const failing = "console.error('no such luck'); process.exit(7)";
    await source.commit({
      Dockerfile: null,
      Procfile: null,
      'package.json': '{"name":"x"}',
      'server.js': failing,
    });
    const pushed = await source.push(remote);
    expect(pushed.said).toContain('The redeploy of web has failed.');
    const { redeploys, running, status } = await look();
    expect(redeploys.nodes).toEqual([
      {
        state: 'FAILED',
        cause: {
          __typename: 'ContainerExited',
          exitCode: 7,
          lastLines: expect.arrayContaining(['no such luck']),
        },
      },
    ]);
    expect(running.nodes).toEqual([]);
    expect(status).toBe('NOT_DEPLOYED');
  },
  patience,
);

test(
  'a good release deploys once',
  async () => {
    const commit = await source.commit({ 'server.js': good });
    expect((await source.push(remote)).said).toContain('The redeploy of web has succeeded.');
    const seen = await look();
    expect(seen).toMatchObject({ status: 'HEALTHY', release: { commit } });
    expect(seen.redeploys.nodes.map(({ state }) => state)).toEqual(['SUCCEEDED', 'FAILED']);
    expect(await served()).toBe('good');
  },
  patience,
);

test(
  'a release that never listens is rolled back, its cause says what was seen, and the last good one serves',
  async () => {
    await source.commit({ 'server.js': 'setInterval(() => {}, 1000)' });
    expect((await source.push(remote)).said).toContain('its last good spec runs again');
    const [newest] = (await look()).redeploys.nodes;
    expect(newest).toMatchObject({
      state: 'ROLLED_BACK',
      cause: { __typename: 'HealthCheckFailed', check: 'TCP' },
    });
    expect(newest?.cause?.lastOutput).toMatch(/8080.*ECONNREFUSED/);
    expect(await served()).toBe('good');
  },
  patience,
);

test(
  'an empty commit builds again, and the log of its build is whole for whoever follows and whoever resumes',
  async () => {
    const commit = await source.commit({ 'server.js': good }, 'Empty of meaning');
    const pushing = source.push(remote);
    const build = await until('the build', patience, async () =>
      (await look()).builds.nodes.find((each) => each.commit === commit),
    );
    const query = `subscription { buildLog(jobId: "${build.id}") { __typename ... on LogLine { text } } }`;
    const followed = await collect(query);
    expect((await pushing).accepted).toBe(true);
    expect(followed.at(-1)?.text).toContain('Built release');
    const after = followed[Math.floor(followed.length / 2)];
    const resumed = await collect(query, after?.id);
    expect(resumed).toEqual(followed.slice(followed.findIndex(({ id }) => id === after?.id) + 1));
    expect(resumed.length).toBeGreaterThan(2);
  },
  patience,
);

async function collect(query: string, lastEventId?: string): Promise<{ id: string; text: string }[]> {
  const lines: { id: string; text: string }[] = [];
  for await (const { id, event, data: text } of readEvents(
    server.url,
    server.token,
    query,
    AbortSignal.timeout(patience),
    lastEventId,
  )) {
    if (event !== 'next') break;
    const { buildLog } = (JSON.parse(text) as { data: { buildLog: { __typename: string; text?: string } } })
      .data;
    if (buildLog.text !== undefined) lines.push({ id, text: buildLog.text });
  }
  return lines;
}
