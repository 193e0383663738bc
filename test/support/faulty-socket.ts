// Stands between the orchestrator and the engine and fails on command: it can refuse connections, cut those that are open,
// or take what is sent and answer nothing. What is not failing passes through.
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type Fault = 'NONE' | 'SILENT' | 'REFUSING' | 'CUT_BEFORE_ANSWER';

export interface FaultySocket {
  /** As a value of DOCKER_HOST. */
  readonly host: string;
  set(fault: Fault): void;
  /** Cuts everything that is open now. */
  cut(): void;
  close(): Promise<void>;
}

export async function openFaultySocket(
  engine = (process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock').replace('unix://', ''),
): Promise<FaultySocket> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-faulty-'));
  const path = join(folder, 'docker.sock');
  const pairs = new Set<readonly [Socket, Socket]>();
  let fault: Fault = 'NONE';
  const server = createServer((client) => {
    client.on('error', () => {});
    if (fault === 'REFUSING') {
      client.destroy();
      return;
    }
    const upstream = connect(engine);
    const pair = [client, upstream] as const;
    pairs.add(pair);
    for (const socket of pair) {
      socket.on('error', () => {});
      socket.on('close', () => {
        pairs.delete(pair);
        client.destroy();
        upstream.destroy();
      });
    }
    // Silence swallows in both directions; a cut before the answer lets the engine do what was asked.
    client.on('data', (chunk) => {
      if (fault !== 'SILENT') upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      if (fault === 'CUT_BEFORE_ANSWER') client.destroy();
      else if (fault !== 'SILENT') client.write(chunk);
    });
    client.on('end', () => upstream.end());
    upstream.on('end', () => client.end());
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  function cut(): void {
    for (const [client] of pairs) client.destroy();
  }
  return {
    host: `unix://${path}`,
    set: (next) => {
      fault = next;
    },
    cut,
    close: async () => {
      cut();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
