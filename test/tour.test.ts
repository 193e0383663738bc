// The README, done: its first start and every step of its tour, with the documents that stand in it, against the real
// server in a process of its own, the real engine, real git, and real SSE and WebSocket clients.
import { chmod, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, expect, test } from 'vitest';
import WebSocket from 'ws';
import { networkName } from '../src/model/jobs.ts';
import { labels } from '../src/runtime/runtime.ts';
import { edgeOnFreePorts } from './support/free-ports.ts';
import { allCursors, ask, decode, type ServerProcess, startServer, until } from './support/server.ts';
import { newSource, type Source } from './support/source.ts';
import { readEvents, type SseEvent } from './support/sse.ts';
import { visit } from './support/visit.ts';
import { volumesGone } from './support/volumes.ts';

const patience = 120_000;
const settings = { BERTH_EDGE_HTTP_PORT: '', BERTH_SETTLE_SECONDS: '1', BERTH_VOLUME_RETENTION_SECONDS: '0' };

let data: string;
let source: Source;
let server: ServerProcess;
let documents: string[];
/** Of this start, as its objects on the engine tell. */
let installationId = '';
const filled: Record<string, string> = {};
const watching = new AbortController();
const watched: SseEvent[] = [];

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'berth-tour-'));
  await chmod(data, 0o711);
  source = await newSource();
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  documents = [...readme.matchAll(/```graphql\n([\s\S]*?)```/g)].map(([, text]) => text ?? '');
  Object.assign(settings, await edgeOnFreePorts());
  server = await startServer(data, settings, patience);
}, patience);

afterAll(async () => {
  watching.abort();
  await server.stop();
  // The edge is the machine's and stays when environments go.
  if (installationId !== '')
    await new Docker().getContainer(`berth-edge-${installationId}`).remove({ force: true });
  await rm(data, { recursive: true, force: true });
  await source.remove();
}, patience);

/** The README's document of this number, its placeholders filled with what earlier steps answered. */
function document(index: number): string {
  return (documents[index] ?? '').replaceAll(/<([a-z ]+)>/g, (_all, name: string) => {
    const value = filled[name];
    if (value === undefined) throw new Error(`nothing has given a ${name} yet`);
    return value;
  });
}

async function web(): Promise<{
  status: string;
  id: string;
  jobs: { nodes: Record<string, string>[] };
  [field: string]: unknown;
}> {
  return (await ask<{ service: Awaited<ReturnType<typeof web>> }>(server, document(1))).service;
}

/** Through the edge, by the environment's own host name. */
async function page(namespace = 'tour'): Promise<string> {
  return (await visit({ port: Number(settings.BERTH_EDGE_HTTP_PORT) }, `${namespace}.localhost`)).body;
}

test('the first start makes a token for its owner alone and a first environment that serves', async () => {
  expect(server.output()).toContain(server.token);
  expect((await stat(join(data, 'admin-token'))).mode & 0o777).toBe(0o600);
  expect(server.output()).toContain('remote: The redeploy of web has succeeded.');
  const seen = await ask<{ service: { status: string } }>(
    server,
    '{ service(namespace: "hello", label: "web") { status } }',
  );
  expect(seen.service.status).toBe('HEALTHY');
  expect(server.output()).toContain(`See it: http://hello.localhost:${settings.BERTH_EDGE_HTTP_PORT}/`);
  expect(await page('hello')).toContain('Hello from Berth');
  const health = await fetch(`${server.url}/health`);
  expect(health.status).toBe(200);
});

test(
  'what the first start gives to paste answers: the query, the redeploy, and the subscription that sees it happen',
  async () => {
    const pasted = (kind: string) =>
      new RegExp(`^  ${kind} \\{.*\\n.*$`, 'm').exec(server.output())?.[0] ?? '';
    expect(await ask(server, pasted('query'))).toMatchObject({ service: { status: 'HEALTHY' } });
    const seen = readEvents(server.url, server.token, pasted('subscription'), watching.signal);
    // It begins at now: only what is asked for after its first word is sure to be in it.
    expect((await seen.next()).value?.data).toContain('CaughtUp');
    expect(await ask(server, pasted('mutation'))).toHaveProperty('redeployService.redeploy.id');
    for await (const { data: text } of seen) if (text.includes('The redeploy of web has succeeded.')) break;
  },
  patience,
);

test('an environment is created once, however often it is asked for with one key', async () => {
  type Made = { createEnvironment: { cursor: string; environment: { id: string } } };
  const [first, second] = await Promise.all([ask<Made>(server, document(0)), ask<Made>(server, document(0))]);
  expect(second).toEqual(first);
  filled['environment id'] = first.createEnvironment.environment.id;
  const query = `subscription { environmentEvents(environmentId: "${filled['environment id']}", after: "${first.createEnvironment.cursor}") { __typename ... on Event { cursor type message } } }`;
  void (async () => {
    for await (const event of readEvents(server.url, server.token, query, watching.signal))
      watched.push(event);
  })().catch(() => {
    // It ends by the abort; what it had seen by then is judged later.
  });
});

test(
  'a push builds, shows its progress, and deploys',
  async () => {
    const app = `const net = require('node:net');
require('node:http').createServer((request, response) => {
  const database = net.connect(5432, process.env.PGHOST, () => {
    database.destroy();
    response.end((process.env.GREETING ?? 'Hello') + ', database ' + (process.env.DATABASE_URL ? 'reachable' : 'unknown'));
  });
  database.on('error', (error) => response.end(String(error)));
}).listen(process.env.PORT);
`;
    await source.commit({
      'package.json': JSON.stringify({ name: 'tour', private: true }),
      'server.js': app,
      Procfile: 'web: node server.js\nworker: node -e "setInterval(() => {}, 1000)"\n',
    });
    const remote = `${server.url.replace('http://', `http://berth:${server.token}@`)}/git/tour/web.git`;
    const pushed = await source.push(remote);
    expect(pushed.said).toContain('remote: Built release');
    expect(pushed.said).toContain('remote: The redeploy of web has succeeded.');
    expect((await source.push(remote, 'main:other')).said).toMatch(/remote: .*main/);
  },
  patience,
);

test(
  'one request shows the service, and the page it serves reaches its database',
  async () => {
    const service = await until('the service being healthy', patience, async () => {
      const seen = await web();
      return seen.status === 'HEALTHY' ? seen : undefined;
    });
    filled['service id'] = service.id;
    expect(service.hasPendingChanges).toBe(false);
    await until('the database being healthy', patience, async () => {
      const { service: records } = await ask<{ service: { status: string } }>(
        server,
        '{ service(namespace: "tour", label: "records") { status } }',
      );
      return records.status === 'HEALTHY' ? true : undefined;
    });
    expect(await page()).toBe('Hello, database reachable');
  },
  patience,
);

test('a changed variable changes nothing that runs, and the plan tells what a redeploy would', async () => {
  const set = await ask(server, document(2));
  expect(set).toMatchObject({
    setVariables: { service: { pendingChanges: [{ field: 'variables.GREETING', kind: 'ADDED' }] } },
  });
  expect(await page()).toBe('Hello, database reachable');
  const { redeployPlan } = await ask<{ redeployPlan: { planHash: string; causesDowntime: boolean } }>(
    server,
    document(3),
  );
  expect(redeployPlan.causesDowntime).toBe(true);
  filled['plan hash'] = redeployPlan.planHash;
});

test(
  'a redeploy by the plan is followed over WebSocket from its beginning to its end',
  async () => {
    const asked = await ask<{ redeployService: { redeploy: { id: string } } }>(server, document(4));
    filled['redeploy id'] = asked.redeployService.redeploy.id;
    const client = createClient({
      url: `${server.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { Authorization: `Bearer ${server.token}` },
      retryAttempts: 0,
    });
    type Item = { redeployProgress: { __typename: string; state?: string; message?: string } };
    const items: Item['redeployProgress'][] = [];
    for await (const { data: item } of client.iterate<Item>({ query: document(5) }))
      if (item) items.push(item.redeployProgress);
    await client.dispose();
    expect(items.at(-1)).toMatchObject({ __typename: 'RedeployEnded', state: 'SUCCEEDED' });
    const messages = items.map(({ message }) => message ?? '');
    const said = messages.findIndex((text) => text.includes('The service is down until'));
    const stopped = messages.findIndex((text) => text.includes('has stopped'));
    expect(said).toBeGreaterThan(0);
    expect(stopped).toBeGreaterThan(said);
    expect(await page()).toBe('Good morning, database reachable');
    const stale = await ask(server, document(4).replace('tour-2', 'tour-3'));
    expect(stale).toMatchObject({ redeployService: { code: 'STALE', path: ['input', 'planHash'] } });
  },
  patience,
);

test(
  'a worker runs once it is asked for',
  async () => {
    expect(await ask(server, document(6))).toMatchObject({
      deployWorker: { service: { workers: [{ target: 'worker', count: 1 }] } },
    });
    await until('a healthy worker', patience, async () => {
      const { jobs } = await web();
      return jobs.nodes.find((job) => job.target === 'worker' && job.health === 'HEALTHY');
    });
  },
  patience,
);

test('whoever watched has seen every event once and in order, and resumes behind any of them', async () => {
  const all = await allCursors(server, filled['environment id'] ?? '');
  const last = all.at(-1);
  await until('the stream having caught up', patience, async () =>
    watched.some(({ id }) => id === last) ? true : undefined,
  );
  const seen = watched.filter(({ data: text }) => text.includes('"cursor"')).map(({ id }) => id);
  expect(seen).toEqual(all.slice(all.length - seen.length));
  const middle = Math.floor(all.length / 2);
  const resumed: string[] = [];
  const stop = new AbortController();
  const query = `subscription { environmentEvents(environmentId: "${filled['environment id']}") { __typename ... on Event { cursor } } }`;
  for await (const { id, data: text } of readEvents(
    server.url,
    server.token,
    query,
    stop.signal,
    all[middle],
  )) {
    if (text.includes('CaughtUp')) break;
    resumed.push(id);
  }
  expect(resumed).toEqual(all.slice(middle + 1));
});

test(
  'after Ctrl-C the containers go on, and a second start finds them as they were',
  async () => {
    const address = (await web()).jobs.nodes.find((job) => job.type === 'DEPLOY')?.address;
    watching.abort();
    expect(await server.stop()).toBe(0);
    expect(await (await fetch(`http://${address}:8080`)).text()).toBe('Good morning, database reachable');
    server = await startServer(data, settings, patience / 2);
    expect(server.output()).not.toContain('First run');
    expect((await web()).status).toBe('HEALTHY');
  },
  patience,
);

test(
  'deleting the environments leaves nothing on the engine',
  async () => {
    const docker = new Docker();
    const network = await docker.getNetwork(networkName(decode(filled['environment id']))).inspect();
    installationId = network.Labels?.[labels.installation] ?? '';
    for (const namespace of ['tour', 'hello']) {
      const { environment } = await ask<{ environment: { id: string } }>(
        server,
        `{ environment(namespace: "${namespace}") { id } }`,
      );
      await ask(
        server,
        `mutation { deleteEnvironment(input: { environmentId: "${environment.id}", confirm: "${namespace}" }) { __typename ... on UserError { message } } }`,
      );
      await until(`the deletion of ${namespace}`, patience, async () =>
        (await ask<{ environment: unknown }>(server, `{ environment(namespace: "${namespace}") { id } }`))
          .environment === null
          ? true
          : undefined,
      );
    }
    const networks = (await docker.listNetworks()).map(({ Name }) => Name);
    expect(networks.filter((name) => name.includes(decode(filled['environment id'])))).toEqual([]);
    const left = await docker.listContainers({
      all: true,
      filters: { label: [`${labels.environment}=${decode(filled['environment id'])}`] },
    });
    expect(left).toEqual([]);
    await volumesGone(docker, decode(filled['environment id']));
  },
  patience,
);
