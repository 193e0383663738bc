// Stands between a runtime and the Docker Engine on a Unix socket of its own, and can cut the connections that have been open
// for longer than a call takes.
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface CuttableProxy {
  /** As a value of DOCKER_HOST. */
  readonly host: string;
  /** Cuts every connection that follows a log. */
  cutStreams(): void;
  cuts(): number;
  close(): Promise<void>;
}

export async function openCuttableProxy(dockerHost: string | undefined): Promise<CuttableProxy> {
  const engine = (dockerHost ?? 'unix:///var/run/docker.sock').replace('unix://', '');
  const folder = await mkdtemp(join(tmpdir(), 'berth-proxy-'));
  const path = join(folder, 'docker.sock');
  const streams = new Set<Socket>();
  const all = new Set<Socket>();
  let count = 0;
  const server = createServer((client) => {
    const upstream = connect(engine);
    for (const socket of [client, upstream]) {
      all.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        all.delete(socket);
        streams.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.once('data', (head) => {
      if (head.includes('follow=true')) streams.add(client);
    });
    client.pipe(upstream);
    upstream.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    host: `unix://${path}`,
    cutStreams() {
      for (const socket of streams) {
        count += 1;
        socket.destroy();
      }
    },
    cuts: () => count,
    async close() {
      for (const socket of all) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
