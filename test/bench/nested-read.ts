// Requests per second of a nested read, 10 environments × 10 services × 5 jobs, over the real server against one
// hand-written SQL statement behind node:http, each with eight connections, in turn, from another process's view: the
// server under load runs in a child process of its own.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { median } from './support.ts';

const rounds = 5;
const secondsEach = 3;
const connections = 8;

export const document = `{ environments(first: 10) { nodes { id name namespace kind services(first: 10) { nodes {
  id label type scale jobs(first: 5) { nodes { id type state health createdAt } } } } } } }`;

export async function benchNestedRead(say: (line: string) => void): Promise<void> {
  const child = fork(new URL('./nested-read-servers.ts', import.meta.url), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // As `npm start` has it: an answer of a list lives for milliseconds, and need not be moved about meanwhile.
    execArgv: ['--max-semi-space-size=64'],
  });
  try {
    const [{ graphql, plain, token }] = (await once(child, 'message')) as [
      { graphql: string; plain: string; token: string },
    ];
    const ask = {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ query: document }),
    };
    await load(graphql, ask, 2);
    await load(plain, {}, 2);
    const ours: number[] = [];
    const theirs: number[] = [];
    for (let round = 0; round < rounds; round++) {
      ours.push(await load(graphql, ask, secondsEach));
      theirs.push(await load(plain, {}, secondsEach));
    }
    const [a, b] = [median(ours), median(theirs)];
    say('Nested read of 10 environments × 10 services × 5 jobs, requests a second; goal: ratio at least 0.5');
    say(`  GraphQL ${a.toFixed(0)}, hand-written SQL ${b.toFixed(0)}, ratio ${(a / b).toFixed(2)}`);
  } finally {
    child.send('close');
    await once(child, 'exit');
  }
}

async function load(url: string, request: RequestInit, seconds: number): Promise<number> {
  const end = performance.now() + seconds * 1000;
  let answered = 0;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (performance.now() < end) {
        const response = await fetch(url, request);
        const text = await response.text();
        if (response.status !== 200 || text.length < 20_000)
          throw new Error(`${response.status}: ${text.slice(0, 200)}`);
        answered += 1;
      }
    }),
  );
  return answered / seconds;
}
