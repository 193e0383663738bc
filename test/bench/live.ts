// From an event's commit to its arrival at 200 subscribers of one environment, each on a WebSocket of its own, at 20 events
// a second; against a plain `ws` server that broadcasts the same text and stores nothing. Each server is a process of its
// own; the subscribers of both are in this one, and are served in turn.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { Ready, Told } from './live-servers.ts';
import { subscribe } from './subscriber.ts';

const subscribers = 200;
const perSecond = 20;
const warmUpSeconds = 3;
const seconds = 15;
const lateMs = 10_000;

export async function benchLive(say: (line: string) => void): Promise<void> {
  say(
    `Live: ${subscribers} subscribers, ${perSecond} events a second for ${seconds} s, from commit to client`,
  );
  const ours = await measure('berth', '');
  const theirs = await measure('plain', ours.text);
  for (const [name, { p50, p99, received }] of [
    ['Berth, from the commit', ours],
    ['plain ws broadcast', theirs],
  ] as const)
    say(`  ${name}: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, ${received} messages`);
  say(`  ratio p50 ${(ours.p50 / theirs.p50).toFixed(1)}, p99 ${(ours.p99 / theirs.p99).toFixed(1)}`);
}

interface Measured {
  readonly p50: number;
  readonly p99: number;
  readonly received: number;
  /** One message as it came. */
  readonly text: string;
}

interface Arrival {
  readonly number: number;
  readonly at: bigint;
}

async function measure(kind: 'berth' | 'plain', text: string): Promise<Measured> {
  const child = fork(new URL('./live-servers.ts', import.meta.url), [kind], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const arrivals: Arrival[] = [];
  let sample = '';
  const sockets: WebSocket[] = [];
  try {
    const [ready] = (await once(child, 'message')) as [Ready];
    const hear = (message: string) => {
      const number = /event (\d+)/.exec(message)?.[1];
      if (number === undefined) return;
      arrivals.push({ number: Number(number), at: process.hrtime.bigint() });
      sample = message;
    };
    for (let count = 0; count < subscribers; count++) sockets.push(await listen(ready, count, hear));
    const run = async (from: number, forSeconds: number) => {
      const count = forSeconds * perSecond;
      child.send({ from, count, perSecond, text });
      const [told] = (await once(child, 'message')) as [Told];
      for (const end = performance.now() + lateMs; performance.now() < end; ) {
        if (arrivals.filter(({ number }) => number >= from).length >= count * subscribers) break;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      return told;
    };
    await run(0, warmUpSeconds);
    const from = warmUpSeconds * perSecond;
    const { sentAt } = await run(from, seconds);
    const delays = arrivals
      .filter(({ number }) => number >= from)
      .map(({ number, at }) => Number(at - BigInt(sentAt[number - from] ?? 0)) / 1e6)
      .sort((a, b) => a - b);
    const at = (share: number) => delays[Math.floor(delays.length * share)] ?? Number.NaN;
    return { p50: at(0.5), p99: at(0.99), received: delays.length, text: sample };
  } finally {
    for (const socket of sockets) socket.terminate();
    child.send('close');
    await once(child, 'exit');
  }
}

/** Of Berth by its protocol; the plain server sends to whoever connects. */
async function listen(ready: Ready, index: number, hear: (message: string) => void): Promise<WebSocket> {
  if (ready.query !== '') return subscribe(ready, index, hear);
  const socket = new WebSocket(ready.url, { perMessageDeflate: false });
  await once(socket, 'open');
  socket.on('message', (message) => hear(String(message)));
  return socket;
}
