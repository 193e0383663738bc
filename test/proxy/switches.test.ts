// The promise behind every redeploy: jobs come into rotation and leave it while visitors keep asking on kept-alive
// connections, and no request fails, also when the job that left ends at once. And a proxy that starts anew stands where it
// stood.
import { Agent } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ProxyRotation, RotationServer } from '../../src/model/rotation.ts';
import { proxyFiles, rotationFiles } from '../../src/proxy/configuration.ts';
import { rotationCommands } from '../../src/proxy/rotation.ts';
import { ask } from './asking.ts';
import { type Job, openProxyBench, type ProxyBench, type RunningProxy, rotation, site } from './bench.ts';

let bench: ProxyBench;
let proxy: RunningProxy;

const spec = {
  sites: [
    site('s1', 'app.example', 'app'),
    site('s2', 'second.example', 'app'),
    site('s3', 'rest.example', 'rest'),
  ],
  certificates: [],
};

beforeAll(async () => {
  bench = await openProxyBench();
  proxy = await bench.start(proxyFiles(bench.input(spec, rotation({ app: [] }))));
}, 120_000);
afterAll(() => bench?.close());

async function rotate(wanted: ProxyRotation): Promise<void> {
  await proxy.put(rotationFiles({ spec, rotation: wanted, publicSecurePort: 443 }));
  await proxy.api.apply(rotationCommands(await proxy.api.showRotation(), wanted, spec));
}

const left = async (wanted: ProxyRotation) => rotationCommands(await proxy.api.showRotation(), wanted, spec);

const newJob = (): Promise<Job> =>
  bench.job((_request, response) => void setTimeout(() => response.end('ok'), 5));

const serverOf = (job: Job, jobId: string, state: 'READY' | 'DRAIN'): RotationServer => ({
  jobId,
  address: bench.gateway,
  port: job.port,
  state,
});

/** As many visitors, each asking again and again on its own connection, by methods that may and may not be repeated. */
function visit(visitors: number) {
  const outcomes = new Map<string, number>();
  const stop = new AbortController();
  const agent = new Agent({ keepAlive: true, maxSockets: visitors });
  const visitor = async (at: number): Promise<void> => {
    while (!stop.signal.aborted) {
      const method = at % 2 === 0 ? 'GET' : 'POST';
      const host = at % 3 === 0 ? 'second.example' : 'app.example';
      const outcome = await ask(proxy.address, host, {
        agent,
        method,
        path: `/${at}`,
        ...(at % 2 === 0 ? {} : { body: 'x' }),
      })
        .then((answer) => String(answer.status))
        .catch((fault: Error) => fault.message);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      await pause(20);
    }
  };
  const all = Array.from({ length: visitors }, (_, at) => visitor(at));
  return {
    outcomes,
    async end(): Promise<Map<string, number>> {
      stop.abort();
      await Promise.all(all);
      agent.destroy();
      return outcomes;
    },
  };
}

test('80 switches of two jobs under 200 requests a second: no request fails', {
  timeout: 120_000,
}, async () => {
  let old = [await newJob(), await newJob()];
  let names = ['job-0-a', 'job-0-b'];
  await rotate(rotation({ app: old.map((job, at) => serverOf(job, names[at] ?? '', 'READY')) }));
  const visitors = visit(24);
  const began = performance.now();
  for (let round = 1; round <= 80; round++) {
    const fresh = [await newJob(), await newJob()];
    const freshNames = [`job-${round}-a`, `job-${round}-b`];
    const incoming = fresh.map((job, at) => serverOf(job, freshNames[at] ?? '', 'READY'));
    const outgoing = old.map((job, at) => serverOf(job, names[at] ?? '', 'DRAIN'));
    await rotate(rotation({ app: [...incoming, ...outgoing] }));
    expect(await left(rotation({ app: [...incoming, ...outgoing] }))).toEqual([]);
    const draining = names;
    await expect
      .poll(
        async () => {
          const sessions = await proxy.api.sessions();
          return draining.map((name) => sessions.get(name) ?? 0);
        },
        { interval: 10, timeout: 5000 },
      )
      .toEqual([0, 0]);
    await rotate(rotation({ app: incoming }));
    await Promise.all(old.map((job) => job.close()));
    [old, names] = [fresh, freshNames];
  }
  const seconds = (performance.now() - began) / 1000;
  const outcomes = await visitors.end();
  const rate = (outcomes.get('200') ?? 0) / seconds;
  expect([...outcomes.keys()]).toEqual(['200']);
  expect(rate).toBeGreaterThan(200);
  const wanted = rotation({ app: old.map((job, at) => serverOf(job, names[at] ?? '', 'READY')) });
  await rotate(wanted);
  expect(await left(wanted)).toEqual([]);
  process.stdout.write(
    `80 switches in ${seconds.toFixed(1)} s, ${outcomes.get('200')} requests, ${rate.toFixed(0)} a second\n`,
  );
});

test('a job that ends without warning costs no request that may be repeated, and nothing is done twice', async () => {
  const [staying, dying] = [await newJob(), await newJob()];
  await rotate(rotation({ app: [serverOf(staying, 'stays', 'READY'), serverOf(dying, 'dies', 'READY')] }));
  await dying.close();
  for (let at = 0; at < 20; at++) {
    const method = at % 2 === 0 ? 'GET' : 'POST';
    expect((await ask(proxy.address, 'app.example', { method, path: `/${at}` })).status).toBe(200);
  }
  expect(staying.seen).toHaveLength(20);
});

test('a job that closes the connections it keeps loses no request of a visitor who goes on asking', async () => {
  const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
  const job = createServer((socket) => {
    socket.on('error', () => {});
    let requests = 0;
    socket.on('data', (bytes) => {
      if (!String(bytes).startsWith('POST ')) return;
      requests += 1;
      if (requests === 1) socket.write(answer);
      else socket.destroy();
    });
  });
  await new Promise<void>((resolve) => job.listen(0, bench.gateway, resolve));
  const { port } = job.address() as AddressInfo;
  await rotate(rotation({ app: [{ jobId: 'brief', address: bench.gateway, port, state: 'READY' }] }));
  // HAProxy keeps connections to servers it has started with, and to those added later it never does.
  await proxy.restart();
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const statuses = await Promise.all(
    Array.from(
      { length: 400 },
      async () => (await ask(proxy.address, 'app.example', { agent, method: 'POST' })).status,
    ),
  );
  expect(new Set(statuses)).toEqual(new Set([200]));
  agent.destroy();
  job.close();
});

test('an answer that never comes is asked for again only where that is safe', async () => {
  const staying = await newJob();
  const silent = await bench.job((request) => request.socket.destroy());
  await rotate(rotation({ app: [serverOf(silent, 'silent', 'READY')] }));
  expect((await ask(proxy.address, 'app.example', { method: 'POST', path: '/post' })).status).toBe(502);
  expect(silent.seen).toEqual(['POST /post']);
  await rotate(rotation({ app: [serverOf(silent, 'silent', 'READY'), serverOf(staying, 'stays', 'READY')] }));
  for (let at = 0; at < 6; at++)
    expect((await ask(proxy.address, 'app.example', { path: '/get' })).status).toBe(200);
  expect(silent.seen.filter((one) => one === 'GET /get').length).toBeGreaterThan(0);
});

test('a job in use that left is no longer asked, ends its work, and is removed at a later look', async () => {
  const [slow, next] = [
    await bench.job((_request, response) => void setTimeout(() => response.end('slow'), 1500)),
    await newJob(),
  ];
  await rotate(rotation({ app: [serverOf(slow, 'slow', 'READY')] }));
  const working = ask(proxy.address, 'app.example');
  await expect.poll(async () => (await proxy.api.sessions()).get('slow')).toBe(1);
  const wanted = rotation({ app: [serverOf(next, 'next', 'READY')] });
  const commands = rotationCommands(await proxy.api.showRotation(), wanted, spec);
  expect(await proxy.api.apply(commands)).toEqual({ stillInUse: ['site-s1/slow'] });
  expect(await left(wanted)).toEqual([{ kind: 'REMOVE', text: 'del server site-s1/slow' }]);
  expect((await ask(proxy.address, 'app.example')).body).toBe('ok');
  expect((await working).body).toBe('slow');
  await expect.poll(async () => (await proxy.api.apply(await left(wanted))).stillInUse).toEqual([]);
  expect(await left(wanted)).toEqual([]);
});

test('after a restart the same rotation stands: jobs, maintenance, challenges', async () => {
  const job = await newJob();
  const wanted = rotation(
    {
      app: [serverOf(job, 'kept', 'READY'), serverOf(job, 'leaving', 'DRAIN')],
      rest: [serverOf(job, 'kept-too', 'READY')],
    },
    { maintenance: ['rest'], challenges: { token: 'token.answer' } },
  );
  await rotate(wanted);
  const look = async () => [
    (await ask(proxy.address, 'app.example')).status,
    (await ask(proxy.address, 'rest.example')).status,
    (await ask(proxy.address, 'rest.example', { path: '/.well-known/acme-challenge/token' })).body,
  ];
  expect(await look()).toEqual([200, 503, 'token.answer']);
  await proxy.restart();
  expect(await look()).toEqual([200, 503, 'token.answer']);
  expect(await left(wanted)).toEqual([]);
  const calm = rotation({ app: wanted.services[0]?.servers ?? [], rest: wanted.services[1]?.servers ?? [] });
  await rotate(calm);
  expect(await look()).toEqual([200, 200, 'ok']);
  expect(await left(calm)).toEqual([]);
});
