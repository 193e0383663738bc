// Streams held through a load: each is opened, read number by number, closed after a while and opened anew. It may end
// otherwise only by its job's goodbye; one that breaks off, misses a number or can't be opened has failed.
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { LoadOptions } from './load-main.ts';

export interface StreamVisits {
  readonly opened: number;
  readonly numbers: number;
  /** Ended by the goodbye of a job that was to stop. */
  readonly goodbyes: number;
  readonly failures: readonly string[];
}

type Watch = (options: LoadOptions, onNumber: (text: string) => void, close: AbortSignal) => Promise<End>;
type End = 'CLOSED' | 'GOODBYE';

const pauseMs = 50;

export async function holdStream(
  watch: Watch,
  options: LoadOptions,
  over: AbortSignal,
): Promise<StreamVisits> {
  const { streamSeconds } = options;
  const failures: string[] = [];
  let [opened, numbers, goodbyes] = [0, 0, 0];
  while (!over.aborted) {
    const begun = new Date();
    const soon = streamSeconds === 0 ? [] : [AbortSignal.timeout(streamSeconds * 1_000)];
    opened += 1;
    let next = 0;
    const count = (text: string): void => {
      if (text !== String(next)) failures.push(`${begun.toISOString()} ${text} came instead of ${next}`);
      next = Number(text) + 1;
      numbers += 1;
    };
    try {
      if ((await watch(options, count, AbortSignal.any([over, ...soon]))) === 'GOODBYE') goodbyes += 1;
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      const seconds = (Date.now() - begun.getTime()) / 1_000;
      failures.push(`${begun.toISOString()} after ${seconds} s and ${next} numbers: ${words}`);
      await sleep(pauseMs);
    }
  }
  return { opened, numbers, goodbyes, failures };
}

export const watchSocket: Watch = (options, onNumber, close) =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://${options.address}:${options.port}/`, {
      headers: { host: options.host },
    });
    close.addEventListener('abort', () => socket.close(1000), { once: true });
    socket.on('message', (text) => onNumber(String(text)));
    socket.on('error', (error) => (close.aborted ? resolve('CLOSED') : reject(error)));
    socket.on('close', (code) => {
      if (close.aborted) resolve('CLOSED');
      else if (code === 1001) resolve('GOODBYE');
      else reject(new Error(`closed with ${code}`));
    });
  });

export const watchEvents: Watch = ({ address, port, host }, onNumber, close) =>
  new Promise((resolve, reject) => {
    const headers = { host, accept: 'text/event-stream' };
    const asking = request({ host: address, port, path: '/events', headers, agent: false });
    close.addEventListener('abort', () => asking.destroy(), { once: true });
    const fail = (error: Error) => (close.aborted ? resolve('CLOSED') : reject(error));
    asking.on('error', fail);
    asking.on('response', (response) => {
      if (response.statusCode !== 200) fail(new Error(`status ${response.statusCode}`));
      let [rest, last] = ['', ''];
      response.setEncoding('utf8').on('data', (chunk: string) => {
        const lines = (rest + chunk).split('\n\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          last = line.slice('data: '.length);
          if (last !== 'bye') onNumber(last);
        }
      });
      response.on('error', fail);
      response.on('end', () => (last === 'bye' ? resolve('GOODBYE') : fail(new Error('ended by itself'))));
    });
    asking.end();
  });
