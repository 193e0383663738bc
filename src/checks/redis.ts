// A look at Redis or Valkey, which share a protocol and the INFO command.
import { createClient } from '@redis/client';
import type { CheckTarget } from '../model/monitoring/agent.ts';
import type { Metric } from '../model/monitoring/observations.ts';
import type { CheckType } from './check-type.ts';
import {
  lookAtServer,
  numberOf,
  percent,
  type ServerFacts,
  serverStandard,
  serverThresholds,
} from './server-look.ts';
import { noSettings } from './settings.ts';

export const redis: CheckType = {
  type: 'REDIS',
  title: 'Redis or Valkey',
  description: 'Whether Redis or Valkey signs in and answers; connections in use, memory, replication lag.',
  thresholds: [...serverThresholds, { metric: 'memory_used', bad: 'ABOVE', warning: 85, critical: 95 }],
  standard: serverStandard,
  schema: noSettings,
  settings: {},
  look: (target, _settings, signal) =>
    lookAtServer('Redis or Valkey', target, (connected) => talk(target, signal, connected)),
};

async function talk(
  { host, port, user, password }: CheckTarget,
  signal: AbortSignal,
  connected: () => void,
): Promise<ServerFacts> {
  const client = createClient({
    // 2, which every version speaks: RESP 3 begins with HELLO.
    RESP: 2,
    socket: { host, port, signal, connectTimeout: 0, reconnectStrategy: false },
    ...(user !== undefined && { username: user }),
    ...(password !== undefined && { password }),
    disableClientInfo: true,
    disableOfflineQueue: true,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    connected();
    return factsOf(await client.info());
  } catch (error) {
    throw withoutArguments(error);
  } finally {
    client.destroy();
  }
}

/** A server that doesn't know a command repeats what it was sent with it, the password cut to a length. */
function withoutArguments(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  return new Error(error.message.split(', with args')[0], { cause: error });
}

function factsOf(info: string): ServerFacts {
  const told = new Map(info.split(/\r?\n/).map((line) => line.split(/:(.*)/s, 2) as [string, string]));
  const number = (name: string) => numberOf(told.get(name));
  const most = number('maxclients');
  const mostMemory = number('maxmemory') || undefined;
  return {
    product: told.has('valkey_version') ? 'Valkey' : 'Redis',
    version: told.get('valkey_version') ?? told.get('redis_version') ?? '',
    ...(most !== undefined && { connections: { used: number('connected_clients') ?? 0, most } }),
    memoryBytes: number('used_memory'),
    mostMemoryBytes: mostMemory,
    dataBytes: number('used_memory_dataset'),
    ...replicationOf(told),
    metrics: fillOf(number('used_memory') ?? 0, mostMemory, told.get('maxmemory_policy')),
  };
}

/** Full is what a cache that evicts is meant to be; one that doesn't refuses to write then. */
function fillOf(used: number, most: number | undefined, policy: string | undefined): Metric[] {
  return most === undefined || policy !== 'noeviction' ? [] : [percent('memory_used', used, most)];
}

function replicationOf(told: ReadonlyMap<string, string>): Pick<ServerFacts, 'replicationLagMs' | 'faults'> {
  if (told.get('role') !== 'slave') return {};
  if (told.get('master_link_status') !== 'up') return { faults: ['Its link to its primary is down.'] };
  const seconds = numberOf(told.get('master_last_io_seconds_ago'));
  return { replicationLagMs: seconds === undefined ? undefined : seconds * 1000 };
}
