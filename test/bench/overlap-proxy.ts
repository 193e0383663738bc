// The proxy before a peer's containers: the same HAProxy, told the same about retries and limits as Berth's, and finding
// servers as its manual has it for engines with a name service: it asks for their names often, and looks itself whether each
// of them answers.
import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { pack } from 'tar-stream';
import { usualLoad } from '../load/load.ts';
import type { LoadOptions } from '../load/load-main.ts';

const port = 8080;

export interface PeerProxy {
  readonly way: LoadOptions;
  close(): Promise<void>;
}

export interface PeerProxyOptions {
  readonly imageId: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The first is the one whose addresses the load can reach. */
  readonly networks: readonly [string, ...string[]];
  /** The name that the servers' addresses are found by. */
  readonly servers: string;
}

export async function startPeerProxy(docker: Docker, options: PeerProxyOptions): Promise<PeerProxy> {
  const [reached, ...others] = options.networks;
  const container = await docker.createContainer({
    Image: options.imageId,
    Labels: options.labels,
    HostConfig: { NetworkMode: reached },
  });
  for (const network of others) await docker.getNetwork(network).connect({ Container: container.id });
  await container.putArchive(archive(configuration(options.servers)), { path: '/usr/local/etc/haproxy' });
  await container.start();
  const { NetworkSettings } = await container.inspect();
  const address = NetworkSettings.Networks[reached]?.IPAddress;
  if (!address) throw new Error(`the proxy has no address on ${reached}`);
  return {
    way: { ...usualLoad, address, port, host: 'bench.test.local' },
    close: async () => void (await container.remove({ force: true })),
  };
}

function archive(text: string): Readable {
  const tar = pack();
  tar.entry({ name: 'haproxy.cfg' }, text);
  tar.finalize();
  return tar as unknown as Readable;
}

const configuration = (servers: string): string => `
resolvers engine
  nameserver dns 127.0.0.11:53
  resolve_retries 3
  timeout resolve 200ms
  timeout retry 200ms
  hold valid 200ms
  accepted_payload_size 8192
defaults
  mode http
  option http-server-close
  option redispatch 1
  retries 3
  retry-on conn-failure empty-response
  balance leastconn
  timeout http-request 10s
  timeout http-keep-alive 60s
  timeout queue 10s
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
frontend web
  bind :${port}
  http-request disable-l7-retry unless { method GET HEAD OPTIONS }
  default_backend app
backend app
  server-template app 10 ${servers}:8080 check inter 250ms fall 1 rise 1 resolvers engine init-addr none
`;
