// The parent's side of visitor-main.ts.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { Visits } from './visitor-main.ts';

export interface Visitor {
  /** Ends its visits; answers with what they came to. */
  end(): Promise<Visits>;
}

const main = new URL('visitor-main.ts', import.meta.url).pathname;

/** `within`: words that run the program after them somewhere else. */
export function sendVisitor(url: string, within: readonly string[] = []): Visitor {
  const [program = '', ...args] = [...within, process.execPath, main, url];
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const said = text(child.stdout);
  const gone = once(child, 'exit');
  let visits: Promise<Visits> | undefined;
  async function end(): Promise<Visits> {
    child.stdin.end();
    await gone;
    return JSON.parse(await said) as Visits;
  }
  return {
    end: () => {
      visits ??= end();
      return visits;
    },
  };
}
