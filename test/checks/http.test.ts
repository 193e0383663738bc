import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { probeHealth } from '../../src/checks/health.ts';
import { probeHttp } from '../../src/checks/http.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function serve(answer: Parameters<typeof createServer>[1] & {}): Promise<number> {
  const server: Server = createServer(answer as never);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const any = { from: 200, to: 399 };

test('a status among the expected ones is healthy, another is not, and the output says both', async () => {
  const port = await serve(((request: { url: string }, response: { statusCode: number; end(): void }) => {
    response.statusCode = request.url === '/ok?deep=1' ? 204 : 503;
    response.end();
  }) as never);
  expect(await probeHttp('127.0.0.1', { port, path: '/ok?deep=1', expectedStatus: any }, 1_000)).toEqual({
    healthy: true,
    output: `GET /ok?deep=1 on port ${port} was answered with 204.`,
  });
  expect(await probeHttp('127.0.0.1', { port, path: '/', expectedStatus: any }, 1_000)).toEqual({
    healthy: false,
    output: `GET / on port ${port} was answered with 503; 200 to 399 is expected.`,
  });
});

test('a redirect is not followed, and a body without end is not waited for', async () => {
  let asked = 0;
  const port = await serve(((
    _request: unknown,
    response: { writeHead(code: number, h: object): void; write(b: string): void },
  ) => {
    asked += 1;
    response.writeHead(302, { location: '/elsewhere' });
    response.write('and on it goes');
  }) as never);
  const seen = await probeHttp('127.0.0.1', { port, path: '/', expectedStatus: any }, 1_000);
  expect([seen.healthy, asked]).toEqual([true, 1]);
});

test('silence, a refusal and words that are not HTTP are unhealthy, each told of', async () => {
  const sockets: Socket[] = [];
  const silent = createTcpServer((socket) => void sockets.push(socket));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const port = (silent.address() as AddressInfo).port;
  const quiet = await probeHttp('127.0.0.1', { port, path: '/', expectedStatus: any }, 100);
  expect(quiet).toEqual({ healthy: false, output: `GET / on port ${port} was not answered within 100 ms.` });
  silent.removeAllListeners('connection').on('connection', (socket) => {
    sockets.push(socket);
    socket.end('220 mail ready\r\n');
  });
  const odd = await probeHttp('127.0.0.1', { port, path: '/', expectedStatus: any }, 1_000);
  expect([odd.healthy, odd.output]).toEqual([false, expect.stringContaining('failed (HPE_')]);
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => silent.close(resolve));
  const refused = await probeHttp('127.0.0.1', { port, path: '/', expectedStatus: any }, 1_000);
  expect(refused).toEqual({ healthy: false, output: `GET / on port ${port} failed (ECONNREFUSED).` });
});

test('a configured check goes before the standard one', async () => {
  const port = await serve(((_request: unknown, response: { statusCode: number; end(): void }) => {
    response.statusCode = 500;
    response.end();
  }) as never);
  const check = {
    port,
    intervalSeconds: 1,
    timeoutSeconds: 1,
    healthyThreshold: 1,
    unhealthyThreshold: 1,
    deadlineSeconds: null,
  };
  const tcp = { ...check, kind: 'TCP' as const, path: null, expectedStatus: null };
  const http = { ...check, kind: 'HTTP' as const, path: '/', expectedStatus: any };
  const at = { address: '127.0.0.1', runtime: null };
  expect((await probeHealth({ ...at, check: tcp }, 1_000)).healthy).toBe(true);
  expect((await probeHealth({ ...at, check: http }, 1_000)).healthy).toBe(false);
});
