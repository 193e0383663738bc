// A place for tests of the proxy: a network of its own on the engine, real HAProxy containers hardened as in production, and
// small servers of this process on the network's gateway that stand for jobs. Speaks to the engine directly, because what
// is tested here are files and commands, not how they reach a container.
import { randomBytes } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { posix } from 'node:path';
import { PassThrough, pipeline } from 'node:stream';
import Docker from 'dockerode';
import { pack } from 'tar-stream';
import { type Authority, issue, makeAuthority } from '../../src/certificates/authority.ts';
import { makeSelfSigned } from '../../src/certificates/self-signed.ts';
import { openImages } from '../../src/images/obtain.ts';
import type { ProxyRotation, RotationServer } from '../../src/model/rotation.ts';
import type { ProxySpec, SiteSpec } from '../../src/model/sites.ts';
import type { ProxyInput } from '../../src/proxy/configuration.ts';
import { command, owner, type ProxyFile, ports } from '../../src/proxy/layout.ts';
import { openRuntimeApi, type RuntimeApi } from '../../src/proxy/runtime-api.ts';
import { openDocker } from '../../src/runtime/docker.ts';
import { labels } from '../../src/runtime/runtime.ts';
import { cacheDirectory } from '../images/hardened.ts';
import { newInstallation } from '../support/engine.ts';

export interface Job {
  readonly port: number;
  readonly server: Server;
  /** Requests that came, as method and path. */
  readonly seen: string[];
  close(): Promise<void>;
}

export interface RunningProxy {
  readonly container: Docker.Container;
  readonly address: string;
  readonly api: RuntimeApi;
  put(files: readonly ProxyFile[]): Promise<void>;
  /** Starts anew and waits until the control port answers. */
  restart(): Promise<void>;
  /** Lines of the container's standard output so far. */
  log(): Promise<string[]>;
}

export interface ProxyBench {
  readonly gateway: string;
  readonly network: string;
  readonly authority: Authority;
  job(listener: RequestListener, on?: { host?: string; port?: number }): Promise<Job>;
  /** What `proxyFiles` takes, with the bench's own keys and gateway. */
  input(spec: ProxySpec, rotation: ProxyRotation, pems?: ReadonlyMap<string, string>): ProxyInput;
  start(files: readonly ProxyFile[], options?: StartOptions): Promise<RunningProxy>;
  /** Runs to its end and answers with exit code and output. */
  run(files: readonly ProxyFile[], command: readonly string[]): Promise<{ exitCode: number; output: string }>;
  close(): Promise<void>;
}

export interface StartOptions {
  readonly hostNetwork?: { readonly address: string; readonly controlPort: number };
  readonly serverName?: string;
}

export const serverName = 'proxy.test';
export const standardLimits = {
  bodyBytes: 50 * 1024 * 1024,
  connectSeconds: 2,
  sendSeconds: 20,
  readSeconds: 20,
};

export function site(id: string, host: string, serviceId: string, more: Partial<SiteSpec> = {}): SiteSpec {
  return { id, host, serviceId, certificateId: null, limits: standardLimits, corsOrigins: [], ...more };
}

export function rotation(
  services: Readonly<Record<string, readonly RotationServer[]>>,
  more: { maintenance?: readonly string[]; challenges?: Readonly<Record<string, string>> } = {},
): ProxyRotation {
  return {
    services: Object.entries(services).map(([serviceId, servers]) => ({
      serviceId,
      maintenance: more.maintenance?.includes(serviceId) ?? false,
      servers,
    })),
    challenges: more.challenges ?? {},
    certificates: {},
  };
}

export async function certificatePem(...hosts: readonly string[]): Promise<string> {
  const { chain, privateKey } = await makeSelfSigned(hosts, new Date(), 30);
  return chain + privateKey;
}

export async function openProxyBench(): Promise<ProxyBench> {
  const installation = newInstallation();
  const runtime = openDocker({ host: process.env.DOCKER_HOST, subnetRange: '10.214.0.0/16' });
  const engine = new Docker();
  const label = { [labels.installation]: installation.id };
  const network = `berth-${installation.id}`;
  await runtime.ensureNetwork({ name: network, labels: label });
  const { imageId } = await openImages(runtime, { cacheDirectory }).obtain(
    'haproxy:2.6',
    () => {},
    AbortSignal.timeout(120_000),
  );
  const gateway = gatewayOf(await engine.getNetwork(network).inspect());
  const authority = await makeAuthority(new Date());
  const server = await issued(authority, 'SERVER');
  const client = await issued(authority, 'CLIENT');
  const jobs: Job[] = [];

  async function create(files: readonly ProxyFile[], words: readonly string[], mode: string) {
    const container = await engine.createContainer({
      name: `berth-${installation.id}-${randomBytes(4).toString('hex')}`,
      Image: imageId,
      Labels: label,
      Cmd: [...words],
      HostConfig: {
        NetworkMode: mode,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges'],
        Memory: 256 * 1024 * 1024,
        RestartPolicy: { Name: 'no' },
      },
    });
    await put(container, files);
    return container;
  }

  return {
    gateway,
    network,
    authority,
    async job(listener, on = {}) {
      const job = await openJob(listener, on.host ?? gateway, on.port ?? 0);
      jobs.push(job);
      return job;
    },
    input: (spec, wanted, pems = new Map()) => ({
      spec,
      rotation: wanted,
      pems,
      gateway,
      control: { serverPem: server.chain + server.privateKey, authorityPem: authority.certificate },
      publicSecurePort: 443,
      threads: 2,
      connections: 2000,
    }),
    async start(files, options = {}) {
      const { hostNetwork } = options;
      const container = await create(files, command, hostNetwork ? 'host' : network);
      await container.start();
      const proxy = await describe(container, network, hostNetwork?.address, (address) =>
        openRuntimeApi({
          address,
          port: hostNetwork?.controlPort ?? ports.control,
          serverName,
          authorityPem: authority.certificate,
          clientCertificatePem: client.chain,
          clientKeyPem: client.privateKey,
        }),
      );
      await answering(proxy);
      return proxy;
    },
    async run(files, words) {
      const container = await create(files, words, 'none');
      await container.start();
      const { StatusCode } = await container.wait();
      const output = textOf(await container.logs({ stdout: true, stderr: true })).join('\n');
      await container.remove();
      return { exitCode: StatusCode, output };
    },
    async close() {
      await Promise.all(jobs.map((job) => job.close()));
      await installation.removeAll();
      runtime.close();
    },
  };
}

/** Keys of another authority, or of the wrong kind, for those who must not get in. */
export function issued(authority: Authority, usage: 'SERVER' | 'CLIENT') {
  return issue(authority, { commonName: usage, hosts: [serverName], usage, now: new Date(), days: 30 });
}

/** The first address of the subnet: the engine tells a gateway of its own choice only of a network in use. */
function gatewayOf(network: Docker.NetworkInspectInfo): string {
  const subnet = network.IPAM?.Config?.[0]?.Subnet?.split('/')[0]?.split('.').map(Number);
  if (subnet?.length !== 4) throw new Error('The network of the test has no subnet.');
  return [...subnet.slice(0, 3), (subnet[3] ?? 0) + 1].join('.');
}

async function describe(
  container: Docker.Container,
  network: string,
  fixed: string | undefined,
  open: (address: string) => RuntimeApi,
): Promise<RunningProxy> {
  const facts = await container.inspect();
  const address = fixed ?? facts.NetworkSettings.Networks[network]?.IPAddress ?? '';
  const proxy: RunningProxy = {
    container,
    address,
    api: open(address),
    put: (files) => put(container, files),
    async restart() {
      await container.restart();
      await answering(proxy);
    },
    log: async () => textOf(await container.logs({ stdout: true })),
  };
  return proxy;
}

async function answering({ api, container }: RunningProxy): Promise<void> {
  const end = performance.now() + 10_000;
  for (;;) {
    try {
      await api.sessions();
      return;
    } catch (fault) {
      if (performance.now() > end) {
        const said = textOf(await container.logs({ stdout: true, stderr: true })).join('\n');
        throw new Error(`The proxy doesn't answer: ${said}`, { cause: fault });
      }
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

/** The engine's frames (kind, length, bytes) as lines. */
function textOf(logs: Buffer): string[] {
  let text = '';
  for (let at = 0; at + 8 <= logs.length; ) {
    const length = logs.readUInt32BE(at + 4);
    text += logs.toString('utf8', at + 8, at + 8 + length);
    at += 8 + length;
  }
  return text.split('\n').filter((line) => line !== '');
}

async function put(container: Docker.Container, files: readonly ProxyFile[]): Promise<void> {
  const tar = pack();
  const folders = new Set(files.map((file) => posix.dirname(file.path)));
  for (const name of [...folders].toSorted()) {
    tar.entry({ name: name.slice(1), type: 'directory', mode: 0o700, ...owner });
  }
  for (const { path, content, mode } of files) {
    tar.entry({ name: path.slice(1), mode, ...owner }, content);
  }
  tar.finalize();
  await container.putArchive(
    pipeline(tar, new PassThrough(), () => {}),
    { path: '/' },
  );
}

async function openJob(listener: RequestListener, host: string, port: number): Promise<Job> {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    listener(request, response);
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    server,
    seen,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
