// The control plane's side of the monitor's protocol (model/monitoring/agent.ts): requests over mutual TLS, each within its
// deadline and an answer of bounded size, whatever the other side does.
import { Agent, request } from 'node:https';
import type { AgentStatus, Configuration, Taken } from '../model/monitoring/agent.ts';
import { monitoringAgent } from '../model/monitoring/agent.ts';
import type { ControlKeys } from './control-keys.ts';

const deadlineMs = 5_000;
/** A thousand results, each with all the text it may have. */
const longestAnswer = 64 * 1024 * 1024;

export interface MonitorPlace {
  /** Of the container, which its certificate is for. */
  readonly name: string;
  readonly address: string;
}

/** Up to where a store was taken. */
export interface Taking {
  readonly epoch: string;
  readonly seq: number;
}

export interface MonitorClient {
  status(): Promise<AgentStatus>;
  configure(configuration: Configuration): Promise<void>;
  /** Waits up to `waitMs` for the first; ends early, without an error, when the signal fires: then undefined. */
  take(from: Taking | undefined, waitMs: number, signal: AbortSignal): Promise<Taken | undefined>;
  /** False: it has no such check, yet or any more. */
  run(checkId: string): Promise<boolean>;
  close(): void;
}

export function openMonitorClient({ authority, client }: ControlKeys, place: MonitorPlace): MonitorClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const { port } = monitoringAgent;
  const keys = { ca: authority.certificate, cert: client.chain, key: client.privateKey };
  const ask = (
    method: string,
    path: string,
    body: object | undefined,
    patienceMs: number,
    signal?: AbortSignal,
  ) =>
    new Promise<{ status: number; body: unknown }>((resolve, reject) => {
      const late = AbortSignal.timeout(patienceMs);
      const either = signal === undefined ? late : AbortSignal.any([late, signal]);
      const asking = request({
        ...{ agent, method, path, port, host: place.address, servername: place.name },
        ...{ ...keys, signal: either },
      });
      asking.on('error', reject);
      asking.on('response', (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          chunks.push(chunk);
          if (bytes > longestAnswer) asking.destroy(new Error('the answer is too long'));
        });
        response.on('error', reject);
        response.on('end', () => {
          try {
            const text = Buffer.concat(chunks).toString('utf8');
            resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) });
          } catch (error) {
            reject(error);
          }
        });
      });
      asking.end(body && JSON.stringify(body));
    });
  async function expected<T>(...asked: Parameters<typeof ask>): Promise<T> {
    const { status, body } = await ask(...asked);
    if (status !== 200)
      throw new Error(`the monitor answered ${status}: ${JSON.stringify(body).slice(0, 500)}`);
    return body as T;
  }
  return {
    status: () => expected('GET', '/status', undefined, deadlineMs),
    configure: async (configuration) =>
      void (await expected('PUT', '/configuration', configuration, deadlineMs)),
    take: async (from, waitMs, signal) => {
      const position = from && { epoch: from.epoch, after: String(from.seq) };
      const query = new URLSearchParams({
        limit: String(monitoringAgent.mostResults),
        wait: String(waitMs),
        ...position,
      });
      try {
        return await expected('GET', `/results?${query}`, undefined, waitMs + deadlineMs, signal);
      } catch (error) {
        if (signal.aborted) return undefined;
        throw error;
      }
    },
    run: async (checkId) => {
      const { status, body } = await ask('POST', '/runs', { checkId }, deadlineMs);
      if (status !== 200 && status !== 404)
        throw new Error(`the monitor answered ${status}: ${JSON.stringify(body).slice(0, 500)}`);
      return status === 200;
    },
    close: () => agent.destroy(),
  };
}
