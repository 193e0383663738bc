// A visitor in a process of its own, which can so be where the tests are not: asks the address it was given over and over,
// each time on a new connection, until its input ends; then says how often it was answered and what went wrong.
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Visits {
  readonly answered: number;
  readonly failures: readonly string[];
}

const pauseMs = 25;
const patienceMs = 5_000;
const url = process.argv[2] ?? '';
const failures: string[] = [];
let answered = 0;
let over = false;

function visit(): Promise<void> {
  return new Promise((resolve, reject) => {
    const asking = request(url, { agent: false, timeout: patienceMs }, (response) => {
      response.resume().once('end', resolve);
      if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`));
    });
    asking.once('error', reject).once('timeout', () => asking.destroy(new Error('no answer in time')));
    asking.end();
  });
}

process.stdin.resume().once('end', () => {
  over = true;
});
while (!over) {
  await visit().then(
    () => (answered += 1),
    (error: Error) => failures.push(`${new Date().toISOString()} ${error.message}`),
  );
  await sleep(pauseMs);
}
const visits: Visits = { answered, failures };
console.log(JSON.stringify(visits));
