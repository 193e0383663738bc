// A real ACME authority (Caddy's) on a Docker network of its own, and the hosts it is asked for on the same network, so that
// it resolves them as the world would and finds port 80 of each. Behind that port the questions come to this process, where
// a test answers them well or badly.
import { once } from 'node:events';
import { request as ask, createServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import Docker from 'dockerode';
import { newAccountKey } from '../../src/certificates/acme.ts';
import { openDebianPackages } from '../../src/images/debian-packages.ts';
import { makeImage, recipeTag } from '../../src/images/make.ts';
import { nothing, type Recipe } from '../../src/images/recipes/recipe.ts';
import { openDocker } from '../../src/runtime/docker.ts';
import { labels, type Runtime } from '../../src/runtime/runtime.ts';
import { cacheDirectory, eventually } from '../images/hardened.ts';
import { newInstallation } from '../support/engine.ts';
import { make } from './make.ts';

export interface AcmeBench {
  readonly directoryUrl: string;
  /** The root that signs the authority's own TLS and what it issues. */
  readonly trust: string;
  readonly accountKeyPem: string;
  /** Token → key authorization, as published; `/.well-known/acme-challenge/` is answered from it. */
  readonly answers: Map<string, string>;
  /** Which hosts the authority asked, in order. */
  readonly asked: string[];
  /** From now on what is asked of the hosts goes to this port of the machine, until it is told otherwise. */
  lead(port: number | undefined): void;
  close(): Promise<void>;
}

const caddy: Recipe = {
  name: 'caddy',
  madeFrom: 'Debian packages',
  packages: ['caddy'],
  take: /^caddy$/,
  version: { ofPackage: /^caddy$/ },
  keep: ['usr/bin/caddy'],
  leave: nothing,
  links: {},
  user: undefined,
  folders: [],
  files: [],
  config: { environment: {}, entrypoint: ['sh', '-c'], command: [], folder: '/' },
};

const write = 'printf %s "$CONFIG" >/tmp/Caddyfile; printf %s "$ROOT" >/tmp/root; printf %s "$KEY" >/tmp/key';
const start = `${write}; exec caddy run --config /tmp/Caddyfile --adapter caddyfile`;

const authorityConfig = `{
  admin off
  skip_install_trust
  auto_https disable_redirects
  pki {
    ca local {
      root {
        cert /tmp/root
        key /tmp/key
      }
    }
  }
}
https:// {
  tls {
    issuer internal
    on_demand
  }
  acme_server
}`;

const forwarderConfig = (to: string): string => `{
  admin off
  auto_https off
}
:80 {
  reverse_proxy ${to}
}`;

export async function openAcmeBench(hosts: readonly string[]): Promise<AcmeBench> {
  const installation = newInstallation();
  const runtime = openDocker({ host: process.env.DOCKER_HOST, subnetRange: '10.215.0.0/16' });
  const network = `berth-${installation.id}`;
  const own = { [labels.installation]: installation.id };
  const answers = new Map<string, string>();
  const asked: string[] = [];
  let leadsTo: number | undefined;
  const server = createServer(answerFrom(answers, asked, () => leadsTo));
  const lead = (port: number | undefined) => {
    leadsTo = port;
  };
  const close = async (): Promise<void> => {
    server.close();
    server.closeAllConnections();
    await installation.removeAll();
    runtime.close();
  };
  const run = async (name: string, aliases: readonly string[], environment: Record<string, string>) => {
    const view = await runtime.startContainer({
      name: `${network}-${name}`,
      labels: own,
      imageId: await caddyImage(runtime),
      command: [start],
      environment: { HOME: '/tmp', XDG_DATA_HOME: '/tmp', ROOT: '', KEY: '', ...environment },
      network,
      aliases,
      memoryBytes: 256 * 1024 * 1024,
      cpuMillis: 2000,
      processLimit: 100,
      capabilities: ['NET_BIND_SERVICE'],
      readOnlyRoot: true,
      tmpfs: { '/tmp': 16 * 1024 * 1024 },
    });
    return view.address ?? '';
  };
  try {
    await runtime.ensureNetwork({ name: network, labels: own });
    const gateway = await gatewayOf(network);
    server.listen(0, gateway);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const [from, to] = [new Date(Date.now() - 3_600_000), new Date(Date.now() + 365 * 86_400_000)];
    const root = await make({ name: 'Test root', ca: true, from, to });
    const [front, authority] = await Promise.all([
      run('front', hosts, { CONFIG: forwarderConfig(`${gateway}:${port}`) }),
      run('authority', [], { CONFIG: authorityConfig, ROOT: root.pem, KEY: root.keyPem }),
    ]);
    await eventually(() => fetch(`http://${front}/`));
    await eventually(() => connected(authority, 443));
    const directoryUrl = `https://${authority}/acme/local/directory`;
    return { directoryUrl, trust: root.pem, accountKeyPem: newAccountKey(), answers, asked, lead, close };
  } catch (fault) {
    await close();
    throw fault;
  }
}

function answerFrom(
  answers: ReadonlyMap<string, string>,
  asked: string[],
  leadsTo: () => number | undefined,
): RequestListener {
  return (request, response) => {
    const token = /^\/\.well-known\/acme-challenge\/(.+)$/.exec(request.url ?? '')?.[1];
    if (token !== undefined) asked.push(request.headers.host ?? '');
    const port = leadsTo();
    if (port !== undefined) {
      const { headers, method, url: path } = request;
      const asking = ask({ host: '127.0.0.1', port, headers, method, path });
      asking.on('response', (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      asking.on('error', () => response.destroy());
      request.pipe(asking);
      return;
    }
    const answer = answers.get(token ?? '');
    response.writeHead(answer === undefined ? 404 : 200).end(answer);
  };
}

/** The engine takes the first address of a subnet for itself, and tells it only once a container is there. */
async function gatewayOf(network: string): Promise<string> {
  const { IPAM } = await new Docker().getNetwork(network).inspect();
  const [, start = '', last] = /^(.+\.)(\d+)\/\d+$/.exec(IPAM?.Config?.[0]?.Subnet ?? '') ?? [];
  return `${start}${Number(last) + 1}`;
}

/** Rejects unless something takes connections there. */
async function connected(host: string, port: number): Promise<void> {
  const socket = connect(port, host);
  try {
    await once(socket, 'connect');
  } finally {
    socket.destroy();
  }
}

let image: Promise<string> | undefined;

/** Kept on the engine, as all images that recipes make. */
function caddyImage(runtime: Runtime): Promise<string> {
  image ??= (async () => {
    const wanted = { version: '' };
    const tag = await recipeTag(caddy, wanted);
    const packages = openDebianPackages(cacheDirectory);
    return (
      (await runtime.findImage(tag)) ??
      makeImage(
        runtime,
        packages,
        cacheDirectory,
        { recipe: caddy, wanted, tag },
        () => {},
        AbortSignal.timeout(300_000),
      )
    );
  })();
  return image;
}
