// A proxy that is told to stop: visitors who use the connections they keep are asked to open another one, with an answer,
// and none of these connections is closed between two requests, where the next one may be on its way already.
import { Agent } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { proxyFiles } from '../../src/proxy/configuration.ts';
import { ask } from './asking.ts';
import { openProxyBench, type ProxyBench, type RunningProxy, rotation, site } from './bench.ts';

const host = 'app.example';
const visitors = 20;
const pauseMs = 50;

let bench: ProxyBench;
let proxy: RunningProxy;

beforeAll(async () => {
  bench = await openProxyBench();
  const job = await bench.job((_request, response) => response.end('ok'));
  const server = { jobId: 'job', address: bench.gateway, port: job.port, state: 'READY' as const };
  const spec = { sites: [site('s1', host, 'app')], certificates: [] };
  proxy = await bench.start(proxyFiles(bench.input(spec, rotation({ app: [server] }))));
}, 120_000);
afterAll(() => bench?.close());

test('a proxy that stops takes leave of every kept connection in use with an answer', async () => {
  const stopping = new AbortController();
  const seen = Array.from({ length: visitors }, () => visitUntilLeave(stopping.signal));
  await Promise.all(seen.map(({ begun }) => begun));
  stopping.abort();
  const stopped = proxy.container.stop({ t: 20 });
  const ends = await Promise.all(seen.map(({ end }) => end));
  await stopped;
  expect(ends).toEqual(Array.from({ length: visitors }, () => 'leave'));
});

/** Asks on one connection until an answer says that it ends, or it ends without. */
function visitUntilLeave(stopping: AbortSignal): { begun: Promise<void>; end: Promise<string> } {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let closedIdle = false;
  agent.on('free', (socket) => {
    if (socket.listenerCount('close', onClose) === 0) socket.once('close', onClose);
  });
  function onClose(): void {
    closedIdle = true;
  }
  const begun = Promise.withResolvers<void>();
  async function visit(): Promise<string> {
    for (;;) {
      if (closedIdle) return stopping.aborted ? 'closed between two requests' : 'closed too early';
      const answer = await ask(proxy.address, host, { agent }).catch((error: Error) => error.message);
      if (typeof answer === 'string') return answer;
      if (answer.headers.connection === 'close') return 'leave';
      begun.resolve();
      await pause(pauseMs);
    }
  }
  return { begun: begun.promise, end: visit().finally(() => agent.destroy()) };
}
