// The parent's side of load-main.ts.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { LoadOptions, LoadResult } from './load-main.ts';

export interface Load {
  /** Ends it; answers with what its requests came to. */
  end(): Promise<LoadResult>;
}

export const usualLoad = { everyMs: 20, streamSeconds: 3 } as const;

const main = new URL('load-main.ts', import.meta.url).pathname;

/** `within`: words that run the program after them somewhere else. */
export function startLoad(options: LoadOptions, within: readonly string[] = []): Load {
  const [program = '', ...args] = [...within, process.execPath, main, JSON.stringify(options)];
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const said = text(child.stdout);
  const gone = once(child, 'exit');
  let result: Promise<LoadResult> | undefined;
  async function end(): Promise<LoadResult> {
    child.stdin.end();
    await gone;
    return JSON.parse(await said) as LoadResult;
  }
  return {
    end: () => {
      result ??= end();
      return result;
    },
  };
}

/** Requests and streams together: nothing of it may have failed. */
export function failuresOf({ requests, socket, events }: LoadResult): string[] {
  return [
    ...requests.failures.map(({ at, kind, why, afterMs }) => `${at} ${kind}: ${why} after ${afterMs} ms`),
    ...socket.failures.map((why) => `web socket: ${why}`),
    ...events.failures.map((why) => `events: ${why}`),
  ];
}
