// A site behind a service proxy for tests: an environment with one code service and its proxy, visitors who ask it without
// end, and what HAProxy itself shows. Knows nothing of vitest. Whoever carries out what is asked for is the caller's affair.
import { randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { and, eq } from 'drizzle-orm';
import type { Control } from '../../src/control/control.ts';
import type { ServiceInput } from '../../src/control/create-service.ts';
import { createEnvironment } from '../../src/control/environments.ts';
import { updateService } from '../../src/control/update-service.ts';
import { containerName } from '../../src/model/jobs.ts';
import { type ControlKeys, openControlKeys } from '../../src/orchestrator/control-keys.ts';
import type { JobRow } from '../../src/postgres/jobs.ts';
import { findOpenRedeploys } from '../../src/postgres/redeploys.ts';
import { listServicesOf } from '../../src/postgres/services.ts';
import { jobs } from '../../src/postgres/tables/jobs.ts';
import { ports } from '../../src/proxy/layout.ts';
import { openRuntimeApi, type RuntimeApi } from '../../src/proxy/runtime-api.ts';
import { newRelease, redeployed, type Service, until, type World, workerCommand } from './world.ts';

export interface Site extends Service {
  readonly proxyId: string;
  readonly host: string;
}

/** What every good answer says. */
export const greeting = 'hello';
const slowScript = `#!/bin/sh\\nsleep 0.6\\nprintf "Content-Type: text/plain\\\\r\\\\n\\\\r\\\\n${greeting}\\\\n"\\n`;
const siteWeb = [
  'mkdir -p /tmp/www/cgi-bin',
  `echo ${greeting} > /tmp/www/index.html`,
  `printf '${slowScript}' > /tmp/www/cgi-bin/slow`,
  'chmod 755 /tmp/www/cgi-bin/slow',
  'exec httpd -f -p 8080 -h /tmp/www',
].join(' && ');
/** Its pages answer at once, `/cgi-bin/slow` after a while. */
export const siteCommands = { web: siteWeb, worker: workerCommand };

/** With `overlapSeconds` its redeploys go by OVERLAP, else by RECREATE. */
export async function openSite(
  world: World,
  options: { readonly overlapSeconds?: number } & Partial<ServiceInput> = {},
): Promise<Site> {
  const { overlapSeconds, ...rest } = options;
  const { control, caller } = world;
  const namespace = `n${randomBytes(4).toString('hex')}`;
  const domain = 'test.local';
  const settings = { ...control.settings, included: ['SERVICE_PROXY' as const], domain };
  const size = { memoryMiB: 64 };
  const input = { type: 'CODE' as const, label: 'web', scale: 2, workerLimit: 5, size, ...rest };
  const wanted = { name: namespace, namespace, kind: 'SANDBOX' as const, services: [input] };
  const made = await createEnvironment({ ...control, settings }, caller, wanted);
  const { environmentId } = made.ids;
  const { db } = control.store;
  const services = await listServicesOf(db, environmentId);
  const idOf = (type: string) => services.find((row) => row.type === type)?.id ?? '';
  const [proxyId, serviceId] = [idOf('SERVICE_PROXY'), idOf('CODE')];
  const isDone = (open: ReadonlyMap<string, unknown>) => open.size === 0;
  await until('the proxy is deployed', () => findOpenRedeploys(db, [proxyId]), isDone, 60_000);
  if (overlapSeconds !== undefined) await updateService(control, caller, { serviceId, overlapSeconds });
  await newRelease(world, serviceId, siteCommands);
  const { state, cause } = await redeployed(world, serviceId);
  if (state !== 'SUCCEEDED') throw new Error(`the site was not deployed: ${cause?.message}`);
  return { environmentId, serviceId, label: 'web', proxyId, host: `${namespace}.${domain}` };
}

/** Deploy jobs that run by the database. */
export function runningJobs({ control }: Pick<World, 'control'>, serviceId: string): Promise<JobRow[]> {
  const running = and(eq(jobs.serviceId, serviceId), eq(jobs.type, 'DEPLOY'), eq(jobs.state, 'RUNNING'));
  return control.store.db.select().from(jobs).where(running).orderBy(jobs.id);
}

/** Where visitors find the proxy now, by the engine. */
export async function addressOf(world: World, { proxyId }: Site): Promise<string> {
  const [job] = await runningJobs(world, proxyId);
  const seen = await world.runtime.inspectContainer(containerName(job?.id ?? ''), world.engine.id);
  if (seen?.address === undefined) throw new Error('the proxy has no address');
  return seen.address;
}

const keys = new WeakMap<Channels, Promise<ControlKeys>>();

export type Channels = Pick<Control, 'store' | 'vault'> & {
  /** Where proxies aren't asked through the network. */
  readonly channel?: (proxy: Pick<JobRow, 'id' | 'address'>) => RuntimeApi;
};

/** The runtime API of one running proxy. */
export async function channelOf(
  channels: Channels,
  { id, address }: Pick<JobRow, 'id' | 'address'>,
): Promise<RuntimeApi> {
  if (channels.channel !== undefined) return channels.channel({ id, address });
  const known = keys.get(channels) ?? openControlKeys(channels.store, channels.vault);
  keys.set(channels, known);
  const { authority, client } = await known;
  return openRuntimeApi({
    address: address ?? '',
    port: ports.control,
    serverName: containerName(id),
    authorityPem: authority.certificate,
    clientCertificatePem: client.chain,
    clientKeyPem: client.privateKey,
  });
}

export interface Visits {
  /** Status, or code of an error, or `strange` for an answer that isn't the site's → how often. */
  readonly seen: Readonly<Record<string, number>>;
  /** When what wasn't a good answer came. */
  readonly failures: readonly string[];
}

export interface Visitors {
  /** What they saw so far. */
  readonly visits: Visits;
  end(): Promise<Visits>;
}

/** Some on connections kept alive, one on a new connection each time, one who asks for what takes a while. */
export function sendVisitors(address: string, host: string, port: number = ports.plain): Visitors {
  const seen: Record<string, number> = {};
  const failures: string[] = [];
  const agent = new Agent({ keepAlive: true, maxSockets: 3 });
  let running = true;
  async function visit(path: string, by: Agent | false): Promise<void> {
    while (running) {
      const status = await ask(address, host, path, by, port);
      seen[status] = (seen[status] ?? 0) + 1;
      if (status !== '200') failures.push(`${new Date().toISOString()} ${path} ${status}`);
      await sleep(50);
    }
  }
  const pages: [string, Agent | false][] = [
    ...Array.from({ length: 3 }, (): [string, Agent] => ['/', agent]),
    ['/', false],
    ['/cgi-bin/slow', false],
  ];
  const visitors = pages.map(([path, by]) => visit(path, by));
  const visits = { seen, failures };
  return {
    visits,
    end: async () => {
      running = false;
      await Promise.all(visitors);
      agent.destroy();
      return visits;
    },
  };
}

/** The status, or the code of the error; `strange` when it is 200 and not what the site says. */
export function ask(
  address: string,
  host: string,
  path = '/',
  agent: Agent | false = false,
  port: number = ports.plain,
): Promise<string> {
  return new Promise((resolve) => {
    const headers = { host };
    const asking = request({ host: address, port, path, headers, agent, timeout: 5_000 });
    asking.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('error', (error: NodeJS.ErrnoException) => resolve(`cut off: ${error.code}`));
      response.on('end', () => {
        const isStrange = response.statusCode === 200 && text.trim() !== greeting;
        resolve(isStrange ? 'strange' : String(response.statusCode));
      });
    });
    asking.on('timeout', () => asking.destroy(new Error('no answer in time')));
    asking.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    asking.end();
  });
}
