// A Docker Engine that doesn't answer, breaks off, or says nonsense costs a caller no more than the deadline, and is told as
// EngineFault. The engines here are servers of the test's own on Unix sockets.
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server as HttpServer, type RequestListener } from 'node:http';
import { createServer as createSocketServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { openDocker } from '../../src/runtime/docker.ts';
import { EngineFault, ImageMissing, type Runtime } from '../../src/runtime/runtime.ts';

const name = 'berth-test-none';
const never = new AbortController().signal;
const deadlines = {
  look: 300,
  change: 300,
  remove: 300,
  stopBeyondGrace: 300,
  silence: 300,
  transfer: 600,
  wait: 300,
};
const open: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

async function openAgainst(server: Server | HttpServer): Promise<Runtime> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-fault-'));
  const path = join(folder, 'docker.sock');
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket.on('error', () => {}));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const runtime = openDocker({ host: `unix://${path}`, subnetRange: '10.213.0.0/16', deadlines });
  open.push(async () => {
    runtime.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true, force: true });
  });
  return runtime;
}

/** Tells its version as it should, and everything else as the test wants. */
function engineThat(answer: RequestListener): HttpServer {
  return createServer((request, response) => {
    if (request.url?.includes('/version')) {
      response.end(JSON.stringify({ Version: '20.10.0', ApiVersion: '1.41', MinAPIVersion: '1.12' }));
    } else answer(request, response);
  });
}

const container = {
  Id: 'a'.repeat(64),
  Name: `/${name}`,
  Image: 'sha256:0',
  Config: { Labels: { 'berth.installation': 'x' } },
  State: { Status: 'running', Error: '', ExitCode: 0, OOMKilled: false, StartedAt: '', FinishedAt: '' },
  NetworkSettings: { Networks: {} },
};

const spec = {
  name,
  labels: { 'berth.installation': 'x' },
  imageId: 'sha256:0',
  environment: {},
  network: name,
  aliases: [],
  memoryBytes: 1,
  cpuMillis: 1,
  processLimit: 1,
  capabilities: [],
  readOnlyRoot: true,
  tmpfs: {},
};

const calls: readonly [string, (runtime: Runtime) => Promise<unknown>][] = [
  ['info', (runtime) => runtime.info()],
  ['ensureNetwork', (runtime) => runtime.ensureNetwork(spec)],
  ['removeNetwork', (runtime) => runtime.removeNetwork(name, 'x')],
  ['ensureVolume', (runtime) => runtime.ensureVolume(spec)],
  ['removeVolume', (runtime) => runtime.removeVolume(name, 'x')],
  ['startContainer', (runtime) => runtime.startContainer(spec)],
  ['inspectContainer', (runtime) => runtime.inspectContainer(name, 'x')],
  ['stopContainer', (runtime) => runtime.stopContainer(name, 'x', 0)],
  ['removeContainer', (runtime) => runtime.removeContainer(name, 'x')],
  ['waitContainer', (runtime) => runtime.waitContainer(name, never)],
  ['inventory', (runtime) => runtime.inventory('x')],
  ['memoryUse', (runtime) => runtime.memoryUse('a'.repeat(64))],
  ['volumeSizes', (runtime) => runtime.volumeSizes('x')],
  ['runInside', (runtime) => runtime.runInside('a'.repeat(64), ['true'], 500)],
  ['readLogs', (runtime) => Array.fromAsync(runtime.readLogs(name, { follow: true, signal: never }))],
  ['findImage', (runtime) => runtime.findImage(name)],
  ['pullImage', (runtime) => runtime.pullImage(name, () => {}, never)],
  ['importImage', (runtime) => runtime.importImage(name, new PassThrough(), [])],
  ['removeImage', (runtime) => runtime.removeImage(name)],
];

async function faultOf(work: Promise<unknown>): Promise<{ fault: unknown; tookMs: number }> {
  const before = performance.now();
  const fault = await work.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  return { fault, tookMs: performance.now() - before };
}

describe('an engine that takes the connection and says nothing', () => {
  it.each(calls)('%s fails within its deadline', async (_, call) => {
    const runtime = await openAgainst(createSocketServer());
    const { fault, tookMs } = await faultOf(call(runtime));
    expect(fault).toBeInstanceOf(EngineFault);
    expect(tookMs).toBeLessThan(3_000);
  });

  it('listening to events fails within its deadline', async () => {
    const runtime = await openAgainst(createSocketServer());
    const { fault } = await faultOf(Array.fromAsync(runtime.events('x', never)));
    expect(fault).toBeInstanceOf(EngineFault);
  });
});

describe('an engine that breaks off after the headers', () => {
  const silent = () =>
    engineThat((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"Id":');
    });
  it.each(calls)('%s fails within its deadline', async (call, ask) => {
    const runtime = await openAgainst(silent());
    const { fault, tookMs } = await faultOf(ask(runtime));
    // The engine still tells its version, so it is the registry that is silent.
    expect(fault).toBeInstanceOf(call === 'pullImage' ? ImageMissing : EngineFault);
    expect(tookMs).toBeLessThan(3_000);
  });

  it('a build that breaks off is a fault of the engine, not of the build', async () => {
    const runtime = await openAgainst(
      engineThat((_, response) => {
        response.write('{"stream":"Step 1/1"}\n');
        setTimeout(() => response.destroy(), 50);
      }),
    );
    const build = { tag: name, labels: {}, memoryBytes: 1, cpuMillis: 1, dockerfile: 'D', buildArgs: {} };
    const context = new PassThrough().end('tar');
    const { fault } = await faultOf(runtime.buildImage(context, build, () => {}, never));
    expect(fault).toBeInstanceOf(EngineFault);
    expect(context.destroyed).toBe(true);
  });
});

describe('an engine that is away, too old, or newer', () => {
  it('is told as a fault when there is no socket', async () => {
    const runtime = openDocker({
      host: 'unix:///nowhere/docker.sock',
      subnetRange: '10.213.0.0/16',
      deadlines,
    });
    const { fault } = await faultOf(runtime.inspectContainer(name, 'x'));
    expect(fault).toBeInstanceOf(EngineFault);
    runtime.close();
  });

  it('is asked in the oldest words that both know', async () => {
    const asked: string[] = [];
    const versions = [
      { ApiVersion: '1.52', MinAPIVersion: '1.44' },
      { ApiVersion: '1.43', MinAPIVersion: '1.24' },
    ];
    for (const version of versions) {
      const server = createServer((request, response) => {
        if (request.url?.startsWith('/version')) response.end(JSON.stringify({ Version: '1', ...version }));
        else {
          asked.push(request.url?.split('/')[1] ?? '');
          response.end(JSON.stringify(container));
        }
      });
      await (await openAgainst(server)).inspectContainer(name, 'x');
    }
    expect(asked).toEqual(['v1.44', 'v1.41']);
  });

  it('is refused with a sentence when it is too old', async () => {
    const server = createServer((_, response) =>
      response.end(JSON.stringify({ Version: '19.3', ApiVersion: '1.40' })),
    );
    const runtime = await openAgainst(server);
    await expect(runtime.inspectContainer(name, 'x')).rejects.toThrow('Docker Engine 19.3 is too old');
  });

  it('answers nothing after closing, and closing ends what is under way', async () => {
    const runtime = await openAgainst(createSocketServer());
    const asked = faultOf(runtime.inspectContainer(name, 'x'));
    runtime.close();
    expect((await asked).fault).toBeInstanceOf(EngineFault);
    expect((await faultOf(runtime.inspectContainer(name, 'x'))).fault).toBeInstanceOf(EngineFault);
  });
});

it('a network that the engine calls there already, and that is not, is not taken for made', async () => {
  const runtime = await openAgainst(
    engineThat((request, response) => {
      response.statusCode = request.method === 'POST' ? 409 : 200;
      response.end(request.method === 'POST' ? '{"message":"it exists"}' : '[]');
    }),
  );
  const { fault } = await faultOf(runtime.ensureNetwork(spec));
  expect(fault).toBeInstanceOf(EngineFault);
});

describe('what is asked', () => {
  it('never puts a variable or a caller’s text into the address', async () => {
    const asked: string[] = [];
    const server = engineThat((request, response) => {
      asked.push(request.url ?? '');
      response.statusCode = 404;
      response.end('{"message":"no such image"}');
    });
    const runtime = await openAgainst(server);
    await faultOf(runtime.startContainer({ ...spec, environment: { SECRET: 'canary' } }));
    await faultOf(runtime.inspectContainer('../../info?x=', 'x'));
    expect(asked).toEqual([
      `/v1.41/containers/create?name=${name}`,
      '/v1.41/containers/..%2F..%2Finfo%3Fx%3D/json?',
    ]);
  });
});
