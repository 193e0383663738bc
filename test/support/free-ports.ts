// Ports that nobody has at the moment, for servers that must be told theirs before they start.
import { createServer } from 'node:net';

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
