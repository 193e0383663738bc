// Holds the engine in memory, on which the orchestrator is simulated, to the same contract as Docker: all of it that can be
// seen without looking into a container. The contract's scripts are read here as far as they matter from outside.
import { randomBytes } from 'node:crypto';
import { realClock } from '../../src/clock.ts';
import type { ContainerSpec } from '../../src/runtime/runtime.ts';
import { type Command, newEngine, type Program, type Surroundings } from '../simulation/engine.ts';
import { openRuntime } from '../simulation/runtime.ts';
import { lifeContract } from './contract.ts';
import { commands } from './contract-inside.ts';
import { fillVolume, useMemory } from './contract-measures.ts';
import { labelsOf, type World } from './world.ts';

const engine = newEngine({ clock: realClock, programOf });
const installation = randomBytes(8).toString('hex');
const network = 'network of the contract';
engine.networks.set(network, { name: network, labels: labelsOf(installation, network) });
const world: World = {
  ...{ runtime: openRuntime(engine), installation, foreign: randomBytes(8).toString('hex'), network },
  imageId: engine.addImage('busybox', ['CMD ["sh"]']),
};

lifeContract(() => world);

function programOf({ command = [], entrypoint }: ContainerSpec, { image, volume }: Surroundings): Program {
  if (image.changes.some((change) => change.startsWith('USER nobody-of-this-name')))
    return { neverRuns: 126 };
  if (entrypoint !== undefined) return exit(0, entrypoint[0] === '/no/such/program' ? 127 : 126);
  const script = command.at(-1) ?? '';
  if (script.startsWith('trap')) return { says: ['ready'], saysWhenTold: 'asked' };
  if (script === 'echo kept > /data/file') volume?.set('file', 'kept');
  if (script === 'cat /data/file') return { ...exit(0, 0), says: [volume?.get('file') ?? ''] };
  if (script === fillVolume.script) volume?.set('file', 'x'.repeat(fillVolume.bytes));
  if (script === useMemory.script) return { stopsAfterMs: 10, memoryBytes: useMemory.bytes };
  const [, seconds] = /^sleep (\d+)/.exec(script) ?? [];
  const [, code] = /exit (\d+)$/.exec(script) ?? [];
  if (seconds !== undefined && code === undefined) return { stopsAfterMs: 10, commandOf };
  return exit(Number(seconds ?? 0) * 1000, Number(code ?? 0));
}

function commandOf([program, , script = '']: readonly string[]): Command {
  if (program !== 'sh') return { exitCode: 127 };
  const known: Readonly<Record<string, Partial<Command>>> = {
    [commands.variable]: { stdout: 'known\n' },
    [commands.bytes]: { stdout: '\ufffd\ufffd and more' },
    [commands.megabytes]: { stdout: 'x'.repeat(3_000_000) },
    [commands.hangs]: { afterMs: 3_000 },
    [commands.leavesAnother]: { stdout: 'gone\n' },
  };
  const exitCode = Number(/exit (\d+)$/.exec(script)?.[1] ?? 0);
  const said = { stdout: 'said\n', stderr: 'warned\n' };
  return { exitCode, ...(known[script] ?? said) };
}

function exit(afterMs: number, exitCode: number): Program {
  return { ends: { afterMs, exitCode }, stopsAfterMs: 10 };
}
