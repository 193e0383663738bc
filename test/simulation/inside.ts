// Commands inside the containers of the engine in memory: their processes take their time, and are never begun twice.
import type { Clock } from '../../src/clock.ts';
import { type CommandRun, keptOutputBytes } from '../../src/runtime/runtime.ts';
import type { Command, Container } from './engine.ts';

const noSuchProgram: Command = { exitCode: 126, stdout: 'no such file or directory' };

export function newInside(clock: Clock) {
  /** When the process of this vector in that container ends. */
  const running = new Map<string, number>();

  async function run(
    container: Container,
    command: readonly string[],
    timeoutMs: number,
    ask: (begin: () => Command) => Promise<Command>,
  ): Promise<CommandRun> {
    const key = JSON.stringify([container.id, command]);
    if ((running.get(key) ?? 0) > clock.now()) return nothing('STILL_RUNNING');
    const {
      exitCode,
      afterMs = 0,
      stdout = '',
      stderr = '',
    } = await ask(() => {
      const begun = container.program.commandOf?.(command) ?? noSuchProgram;
      running.set(key, clock.now() + (begun.afterMs ?? 0));
      return begun;
    });
    const over = container.run.signal;
    await clock.sleep(Math.min(afterMs, timeoutMs), over).catch(() => {});
    if (over.aborted) return nothing('NOT_RUNNING');
    if (afterMs > timeoutMs) return nothing('TIME_UP');
    const kept = stdout.slice(0, keptOutputBytes);
    return { end: 'EXITED', exitCode, stdout: kept, stderr: stderr.slice(0, keptOutputBytes - kept.length) };
  }

  return { run, nothing };
}

function nothing(end: CommandRun['end']): CommandRun {
  return { end, exitCode: undefined, stdout: '', stderr: '' };
}
