// The control plane's side of the agent's protocol for tests and benchmarks, with keys of an authority of their own.
import { Agent, request } from 'node:https';
import { issue, makeAuthority } from '../../../src/certificates/authority.ts';
import type { AgentStatus, Configuration, Taken } from '../../../src/model/monitoring/agent.ts';

export const serverName = 'monitoring.test';

export type Authority = Awaited<ReturnType<typeof makeAuthority>>;

export interface AgentKeys {
  readonly authority: Authority;
  readonly serverPem: string;
}

export async function makeKeys(): Promise<AgentKeys> {
  const authority = await makeAuthority(new Date());
  return { authority, serverPem: await pemOf(authority, 'SERVER') };
}

/** Certificate and key as one text. */
export async function pemOf(authority: Authority, usage: 'SERVER' | 'CLIENT'): Promise<string> {
  const named = { commonName: serverName, hosts: usage === 'SERVER' ? [serverName] : [] };
  const { chain, privateKey } = await issue(authority, { ...named, usage, now: new Date(), days: 2 });
  return chain + privateKey;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface AskOptions {
  readonly body?: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface AgentClient {
  ask(method: string, path: string, options?: AskOptions): Promise<Answer>;
  configure(configuration: Configuration): Promise<Answer>;
  take(position?: { epoch: string; after: number }, wait?: number, limit?: number): Promise<Taken>;
  status(): Promise<AgentStatus>;
  close(): void;
}

export interface AgentPlace {
  readonly host: string;
  readonly port: number;
  readonly authority: Authority;
  /** Undefined: it shows none. */
  readonly clientPem: string | undefined;
}

export function openClient({ host, port, authority, clientPem }: AgentPlace): AgentClient {
  const agent = new Agent({
    ...{ host, port, servername: serverName, ca: authority.certificate, keepAlive: true },
    ...(clientPem === undefined ? {} : { cert: clientPem, key: clientPem }),
  });
  const ask: AgentClient['ask'] = (method, path, { body, headers = {}, signal } = {}) =>
    new Promise((resolve, reject) => {
      const asking = request({
        agent,
        host,
        port,
        method,
        path,
        headers,
        timeout: 40_000,
        ...(signal && { signal }),
      });
      asking.on('timeout', () => asking.destroy(new Error('Nothing came for 40 s.')));
      asking.on('error', reject);
      asking.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          resolve({ status: response.statusCode ?? 0, body: text === '' ? undefined : JSON.parse(text) });
        });
      });
      asking.end(body);
    });
  async function got<T>(path: string): Promise<T> {
    const { status, body } = await ask('GET', path);
    if (status !== 200) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`);
    return body as T;
  }
  return {
    ask,
    configure: (configuration) => ask('PUT', '/configuration', { body: JSON.stringify(configuration) }),
    take(position, wait = 0, limit = 1000) {
      const from = position === undefined ? '' : `&epoch=${position.epoch}&after=${position.after}`;
      return got(`/results?limit=${limit}&wait=${wait}${from}`);
    },
    status: () => got('/status'),
    close: () => agent.destroy(),
  };
}
