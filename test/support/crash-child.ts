// The parent's side of crash-main.ts: starts it, arms it, and waits for what it says.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Point } from '../../src/orchestrator/points.ts';
import type { CrashOptions } from './crash-main.ts';

/** A named point, or the one between the files of a proxy and what it is told at runtime. */
export type Place = Point | 'PUT_FILES:EFFECT';

export interface CrashChild {
  readonly pid: number;
  /** Everything it has said so far. */
  readonly lines: readonly string[];
  arm(point: Place, count?: number, signal?: NodeJS.Signals): Promise<void>;
  /** `after`: so many of its lines don't count, because they were said before. */
  waitFor(line: string, boundMs?: number, after?: number): Promise<void>;
  /** Answers when it has died. */
  readonly dead: Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** Lets it close as it does when it is asked to stop. */
  close(): Promise<void>;
  end(): Promise<void>;
}

const main = new URL('crash-main.ts', import.meta.url).pathname;

/** `within`: words that run the program after them somewhere else, without staying between it and us. */
export async function startChild(options: CrashOptions, within: readonly string[] = []): Promise<CrashChild> {
  const [program = '', ...args] = [...within, process.execPath, main];
  const child = spawn(program, args, {
    env: { ...process.env, CRASH_OPTIONS: JSON.stringify(options) },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const { stdin, stdout, pid } = child;
  if (stdin === null || stdout === null || pid === undefined) throw new Error('the child did not start');
  stdin.on('error', () => {});
  const lines: string[] = [];
  const listeners = new Set<() => void>();
  const wake = () => {
    for (const listener of [...listeners]) listener();
  };
  createInterface({ input: stdout }).on('line', (line) => {
    lines.push(line);
    wake();
  });
  const dead = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  void dead.then(wake);

  function waitFor(line: string, boundMs = 30_000, after = 0): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = () => settle(new Error(`The child has not said "${line}" but: ${lines.join(', ')}`));
      const timer = setTimeout(late, boundMs);
      function settle(error?: Error): void {
        clearTimeout(timer);
        listeners.delete(look);
        if (error === undefined) resolve();
        else reject(error);
      }
      function look(): void {
        if (lines.includes(line, after)) settle();
        else if (child.exitCode !== null || child.signalCode !== null) late();
      }
      listeners.add(look);
      look();
    });
  }
  await waitFor('ready');
  return {
    pid,
    lines,
    dead,
    waitFor,
    arm: async (point, count = 1, signal = 'SIGKILL') => {
      const before = lines.length;
      stdin.write(`arm ${point} ${count} ${signal}\n`);
      await waitFor('armed', undefined, before);
    },
    kill: (signal) => void child.kill(signal),
    close: () => {
      stdin.write('close\n');
      return dead;
    },
    end: () => endChild(child, dead),
  };
}

async function endChild(child: ChildProcess, dead: Promise<void>): Promise<void> {
  child.kill('SIGKILL');
  await dead;
}
