// A load in a process of its own, so that nothing which is measured slows it down, and which can be where the tests are not
// (`within` a network namespace). Open loop: a request goes out every so many milliseconds, whatever became of those before
// it. Half of them are POST; half come on a new connection each, the others on connections that are kept; one a second takes
// its answer 2 s. Beside them one web socket and one stream of events are held (streams.ts). Nothing is asked a second time.
// Ends when its input ends and every request has come to something; then says what they came to.
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { holdStream, type StreamVisits, watchEvents, watchSocket } from './streams.ts';
import { newTally, type Tally } from './tally.ts';

export interface LoadOptions {
  readonly address: string;
  readonly port: number;
  /** Name of the site. */
  readonly host: string;
  readonly everyMs: number;
  /** How long a stream is held before it is opened anew; 0: until its job ends it. */
  readonly streamSeconds: number;
}

export interface LoadResult {
  readonly requests: Tally;
  readonly socket: StreamVisits;
  readonly events: StreamVisits;
}

const patienceMs = 20_000;
const body = 'x'.repeat(2_000);

const options = JSON.parse(process.argv[2] ?? '') as LoadOptions;
const over = new AbortController();
process.stdin.resume().once('end', () => over.abort());

// Taken in turn, so that none is idle for as long as the proxy lets one be.
const agent = new Agent({ keepAlive: true, scheduling: 'fifo' });
const tally = newTally();
const streams = [
  holdStream(watchSocket, options, over.signal),
  holdStream(watchEvents, options, over.signal),
];
await sendAll();
const [socket, events] = await Promise.all(streams);
agent.destroy();
console.log(JSON.stringify({ requests: tally.result(), socket, events }));
process.exit(0);

async function sendAll(): Promise<void> {
  const underWay = new Set<Promise<void>>();
  const begun = performance.now();
  for (let number = 0; !over.signal.aborted; number++) {
    const one = send(number).finally(() => underWay.delete(one));
    underWay.add(one);
    // By the clock, not by the last request: after a stall what is due goes out at once.
    const pause = begun + (number + 1) * options.everyMs - performance.now();
    if (pause > 0) await sleep(pause);
    else if (number % 50 === 0) await sleep(0);
  }
  await Promise.all(underWay);
}

function send(number: number): Promise<void> {
  const second = Math.floor((number * options.everyMs) / 1_000);
  const slow = second > Math.floor(((number - 1) * options.everyMs) / 1_000);
  const kept = number % 4 < 2;
  const method = (slow ? second : number) % 2 === 0 ? 'GET' : 'POST';
  const connection = `${method} on a ${kept ? 'kept' : 'new'} connection`;
  const record = tally.begin(slow ? `slow ${method}` : connection, slow);
  return new Promise((resolve) => {
    const end = (failure?: string): void => {
      clearTimeout(timer);
      record(failure);
      resolve();
    };
    const asking = request({
      host: options.address,
      port: options.port,
      path: slow ? '/slow' : '/',
      method,
      headers: { host: options.host, ...(method === 'POST' ? { 'content-length': body.length } : {}) },
      agent: kept ? agent : false,
    });
    const timer = setTimeout(() => asking.destroy(new Error(`no answer in ${patienceMs} ms`)), patienceMs);
    const wanted = `${method} ${method === 'POST' ? body.length : 0}\n`;
    asking.on('error', (error) => end(error.message));
    asking.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', (error) => end(`within the answer: ${error.message}`));
      response.on('end', () => {
        if (response.statusCode !== 200) end(`status ${response.statusCode}`);
        else end(text === wanted ? undefined : `another answer: ${text.slice(0, 40)}`);
      });
    });
    asking.end(method === 'POST' ? body : '');
  });
}
