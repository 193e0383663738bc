// From the end of a check to its arrival at subscribers of one environment (500 unless told otherwise), each on a WebSocket of
// its own: 100 HTTP checks every 10 s, made by the real monitor in its container, taken in and told by the real server, which
// is a process of its own. When a check ended is by its own word, on the same machine's clock.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { WebSocket } from 'ws';
import { type Subscription, subscribe } from './subscriber.ts';

const warmUpSeconds = 15;
const seconds = 40;

export async function benchResults(say: (line: string) => void, subscribers = 500): Promise<void> {
  const child = fork(new URL('./results-server.ts', import.meta.url), [String(subscribers)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const sockets: WebSocket[] = [];
  const delays: number[] = [];
  try {
    const [ready] = (await once(child, 'message')) as [Subscription];
    let from = Number.POSITIVE_INFINITY;
    const hear = (message: string) => {
      const now = performance.timeOrigin + performance.now();
      const found = /"startedAt":"([^"]+)","durationMs":([\d.]+)/.exec(message);
      if (found === null || now < from) return;
      delays.push(now - Date.parse(found[1] ?? '') - Number(found[2]));
    };
    for (let index = 0; index < subscribers; index++) sockets.push(await subscribe(ready, index, hear));
    await new Promise((resolve) => setTimeout(resolve, warmUpSeconds * 1_000));
    from = performance.timeOrigin + performance.now();
    await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  } finally {
    for (const socket of sockets) socket.terminate();
    child.send('close');
    await once(child, 'exit');
  }
  delays.sort((a, b) => a - b);
  const at = (share: number) => (delays[Math.floor(delays.length * share)] ?? Number.NaN).toFixed(1);
  say(`Results: ${subscribers} subscribers, 100 checks every 10 s for ${seconds} s, from the end of a check`);
  say(`  p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, ${delays.length} messages`);
}
