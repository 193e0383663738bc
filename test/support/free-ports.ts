// Ports that nobody has at the moment, for servers that must be told theirs before they start.
import { createServer } from 'node:net';
import type { EdgeSettings } from '../../src/orchestrator/deps.ts';

export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Some below 1024, the web's own before others. */
export async function freeLowPorts(count: number): Promise<number[]> {
  const candidates = [80, 443, ...Array.from({ length: 40 }, (_, number) => 981 - number)];
  const free: number[] = [];
  for (const port of candidates) if (free.length < count && (await isFree(port))) free.push(port);
  if (free.length < count) throw new Error(`no ${count} ports below 1024 are free`);
  return free;
}

/** One that only root may open counts as free. */
function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EACCES'));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** The same for a control plane that is put together without its server. */
export async function edgeSettings(): Promise<EdgeSettings> {
  const [httpPort = 0, httpsPort = 0, controlPort = 0] = await freePorts(3);
  return { host: '127.0.0.1', httpPort, httpsPort, controlPort };
}

/** Options of a server whose edge holds ports of its own. */
export async function edgeOnFreePorts() {
  const [http, https, control] = await freePorts(3);
  return {
    BERTH_EDGE: 'yes',
    BERTH_EDGE_HTTP_PORT: `${http}`,
    BERTH_EDGE_HTTPS_PORT: `${https}`,
    BERTH_EDGE_CONTROL_PORT: `${control}`,
  };
}
