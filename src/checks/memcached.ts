// A look at memcached by its text protocol. Without a client: the one command that is wanted is shorter than what would keep a
// client's pool to one connection that is made once.
import type { CheckTarget } from '../model/monitoring/agent.ts';
import type { CheckType } from './check-type.ts';
import { hear, openSocket } from './connection.ts';
import { lookAtServer, numberOf, type ServerFacts, serverStandard, serverThresholds } from './server-look.ts';
import { noSettings } from './settings.ts';

export const memcached: CheckType = {
  type: 'MEMCACHED',
  title: 'memcached',
  description: 'Whether memcached answers; connections in use, memory, evictions.',
  thresholds: serverThresholds,
  standard: serverStandard,
  schema: noSettings,
  settings: {},
  look: (target, _settings, signal) =>
    lookAtServer('memcached', target, (connected) => talk(target, signal, connected)),
};

async function talk(target: CheckTarget, signal: AbortSignal, connected: () => void): Promise<ServerFacts> {
  const socket = await openSocket(target, signal);
  connected();
  socket.write('stats\r\n');
  // An answer is STAT lines up to END, or one line that says why not.
  const answer = await hear(socket, (heard) =>
    /(^|\r\n)END\r\n$|^(?!STAT ).*\r\n/.test(heard.toString('latin1')),
  );
  return factsOf(answer.toString('latin1'));
}

function factsOf(answer: string): ServerFacts {
  const lines = answer.split('\r\n');
  if (!answer.startsWith('STAT ') || !lines.includes('END')) {
    const said = lines[0] ?? '';
    throw new Error(
      said === '' ? 'it closed the connection' : `it answers ${JSON.stringify(said.slice(0, 200))}`,
    );
  }
  const told = new Map(lines.map((line) => line.split(' ').slice(1, 3) as [string, string]));
  const number = (name: string) => numberOf(told.get(name));
  const counters = ['evictions', 'rejected_connections'].flatMap((name) => {
    const value = number(name);
    return value === undefined ? [] : [{ name, value, unit: 'c' }];
  });
  return {
    version: told.get('version') ?? '',
    connections: { used: number('curr_connections') ?? 0, most: number('max_connections') ?? 0 },
    memoryBytes: number('bytes'),
    mostMemoryBytes: number('limit_maxbytes'),
    metrics: counters,
  };
}
