// A control plane in a process of its own that can be told to die, or to stop, at a named point of its work. Told by lines
// on its input: `arm POINT COUNT SIGNAL`, and `close` for a clean end; tells by lines on its output: `ready`, `hit POINT`, and `call NAME` for each call
// that changes something on the engine. Ends when its input does, so that none is left behind.
import { writeSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { createInterface } from 'node:readline';
import type { Runtime } from '../../src/runtime/runtime.ts';
import type { Place } from './crash-child.ts';
import { openPlane, type PlaneSettings } from './plane.ts';

export interface CrashOptions {
  readonly url: string;
  readonly dataDirectory: string;
  readonly dockerHost?: string;
  readonly settings: Partial<PlaneSettings>;
}

const changing = [
  'startContainer',
  'stopContainer',
  'removeContainer',
  'removeVolume',
  'removeNetwork',
  'removeImage',
] as const satisfies readonly (keyof Runtime)[];

interface Armed {
  readonly point: string;
  left: number;
  readonly signal: NodeJS.Signals;
}

const options: CrashOptions = JSON.parse(process.env.CRASH_OPTIONS ?? '{}');
let armed: Armed | undefined;

// Synchronous, so that it is said before the process is dead.
function say(line: string): void {
  writeSync(1, `${line}\n`);
}

function at(point: Place): void {
  if (armed?.point !== point) return;
  armed.left -= 1;
  if (armed.left > 0) return;
  const { signal } = armed;
  armed = undefined;
  say(`hit ${point}`);
  process.kill(process.pid, signal);
}

/** Says each call before it is made; dies, if told so, between a proxy's files and what it is told at runtime. */
function told(runtime: Runtime): Runtime {
  const said = (name: (typeof changing)[number]) => {
    const call = runtime[name] as (...args: readonly unknown[]) => unknown;
    return (...args: readonly unknown[]) => {
      say(`call ${name}`);
      return call(...args);
    };
  };
  const putFiles: Runtime['putFiles'] = async (...args) => {
    say('call putFiles');
    await runtime.putFiles(...args);
    at('PUT_FILES:EFFECT');
  };
  return { ...runtime, putFiles, ...Object.fromEntries(changing.map((name) => [name, said(name)])) };
}

const plane = await openPlane({ ...options, at, runtime: told });
// Those that are killed would leave nothing of it to the next.
flushCompileCache();
say('ready');
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  if (line === 'close') {
    void plane.close().then(() => process.exit(0));
    return;
  }
  const [, point = '', count = '1', signal = 'SIGKILL'] = line.split(' ');
  armed = { point, left: Number(count), signal: signal as NodeJS.Signals };
  say('armed');
});
lines.on('close', () => process.exit(0));
