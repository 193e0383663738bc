// Whether a port takes connections, and, where asked for, whether it says a text, with or without being sent one.
import { z } from 'zod';
import type { CheckTarget } from '../model/monitoring/agent.ts';
import type { Observation } from '../model/monitoring/observations.ts';
import type { CheckType } from './check-type.ts';
import { hear, openSocket, reasonOf } from './connection.ts';
import { milliseconds } from './server-look.ts';
import { settingText } from './settings.ts';

const schema = z.strictObject({
  /** Sent after connecting; empty: nothing. */
  send: settingText(4_096).default(''),
  /** Must be in what comes; empty: an accepted connection is enough. */
  expect: settingText(1_000).default(''),
});

type Settings = Readonly<z.infer<typeof schema>>;

export const tcpAnswer: CheckType<Settings> = {
  type: 'TCP',
  title: 'TCP',
  description: 'Whether a port takes connections and, if asked for, answers with a text.',
  thresholds: [{ metric: 'total_time', bad: 'ABOVE', warning: 1_000, critical: 5_000 }],
  standard: { intervalSeconds: 30, timeoutSeconds: 10 },
  schema,
  settings: schema.parse({}),
  look,
};

async function look(target: CheckTarget, settings: Settings, signal: AbortSignal): Promise<Observation> {
  const { send, expect } = settings;
  const began = performance.now();
  try {
    const socket = await openSocket(target, signal);
    const connectedAt = performance.now();
    if (send !== '') socket.write(send);
    const heard = expect === '' ? undefined : await hear(socket, (all) => all.includes(expect));
    socket.destroy();
    const metrics = [
      milliseconds('connect_time', connectedAt - began),
      milliseconds('total_time', performance.now() - began),
    ];
    if (heard === undefined)
      return { state: 'OK', output: `Port ${target.port} takes connections.`, metrics };
    if (heard.includes(expect))
      return { state: 'OK', output: `Port ${target.port} answers as expected.`, metrics };
    const instead = heard.length === 0 ? 'nothing' : JSON.stringify(heard.toString().slice(0, 200));
    const output = `Port ${target.port} does not answer with ${JSON.stringify(expect)} but with ${instead}.`;
    return { state: 'CRITICAL', output, metrics };
  } catch (error) {
    const output = `TCP at ${target.host}:${target.port}: ${reasonOf(error, target)}.`;
    return { state: 'CRITICAL', output, metrics: [] };
  }
}
