// An agent in this process and clients of it, for tests of its protocol: it looks as it is told, and everything is closed
// after each test.
import { mkdtempSync } from 'node:fs';
import type { TcpSocketConnectOpts } from 'node:net';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { afterEach, beforeAll, inject } from 'vitest';
import { type Agent, startAgent } from '../../../src/agents/monitoring/agent.ts';
import type { RunCheck } from '../../../src/agents/monitoring/scheduler.ts';
import { openLog } from '../../../src/log.ts';
import type { ConfiguredCheck } from '../../../src/model/monitoring/agent.ts';
import { type AgentClient, type AgentKeys, makeKeys, openClient, pemOf, serverName } from './client.ts';

export const host = '127.0.0.1';
export let keys: AgentKeys;
export let clientPem: string;
beforeAll(async () => {
  keys = await makeKeys();
  clientPem = await pemOf(keys.authority, 'CLIENT');
});

export const closings: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closings.splice(0).reverse()) await close();
});

export const newFolder = (): string => mkdtempSync(join(inject('scratch'), 'agent-'));
export const fine: RunCheck = async ({ id }) => ({ state: 'OK', output: `${id} is fine.`, metrics: [] });

export async function started(folder = newFolder(), run = fine): Promise<Agent> {
  const given = {
    folder,
    host,
    port: 0,
    serverPem: keys.serverPem,
    authorityPem: keys.authority.certificate,
  };
  const agent = await startAgent({ ...given, run, log: openLog() });
  closings.push(() => agent.close());
  return agent;
}

export function clientOf({ port }: Agent, pem: string | undefined = clientPem): AgentClient {
  const client = openClient({ host, port, authority: keys.authority, clientPem: pem });
  closings.push(() => client.close());
  return client;
}

export function asClient({ port }: Agent, localAddress = host): ConnectionOptions & TcpSocketConnectOpts {
  const ca = keys.authority.certificate;
  return { host, port, servername: serverName, ca, cert: clientPem, key: clientPem, localAddress };
}

/** Rare, so that results come by runs that are asked for. */
export function checkOf(id: string, change: Partial<ConfiguredCheck> = {}): ConfiguredCheck {
  const target = { host: 'web', port: 80 };
  const standard = { settings: {}, thresholds: [], intervalSeconds: 86_400, timeoutSeconds: 5 };
  return { id, type: 'TCP', target, ...standard, ...change };
}
