// A command run inside a container that runs already. The engine leaves its process running whoever goes, and has no way to
// end it: so before another begins, the one of before is looked for, in what the engine itself knows of the container, which
// also outlives the control plane. Output is read to the end, so that the process is never held up, and kept up to a bound.
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { type Engine, pathOf } from './docker-call.ts';
import { newFrameReader } from './docker-frames.ts';
import { readChunks } from './docker-progress.ts';
import { type CommandRun, EngineFault, keptOutputBytes, type LogLine } from './runtime.ts';

/** A command that prints without end is no longer listened to. */
const heardBytes = 16 * 1024 * 1024;
const lookAgainMs = 50;

interface ExecInspection {
  readonly Running: boolean;
  readonly ExitCode: number | null;
  readonly ProcessConfig: { readonly entrypoint: string; readonly arguments: readonly string[] | null };
}

export async function runInside(
  engine: Engine,
  id: string,
  command: readonly string[],
  timeoutMs: number,
): Promise<CommandRun> {
  const container = await engine.askIfThere<Docker.ContainerInspectInfo>({
    operation: `inspect container ${id}`,
    method: 'GET',
    path: pathOf`/containers/${id}/json`,
    deadlineMs: engine.deadlines.look,
  });
  if (container === undefined || !container.State.Running) return nothing('NOT_RUNNING');
  // Those whose process has ended are no longer among them.
  for (const earlier of container.ExecIDs ?? [])
    if (await isOf(engine, earlier, command)) return nothing('STILL_RUNNING');
  const timeIsUp = AbortSignal.timeout(timeoutMs);
  const exec = await createExec(engine, id, command);
  const heard = await listen(engine, exec, timeIsUp);
  return { ...heard.kept, ...(await endOf(engine, exec, heard.tooMuch, timeIsUp)) };
}

function nothing(end: CommandRun['end']): CommandRun {
  return { end, exitCode: undefined, stdout: '', stderr: '' };
}

async function isOf(engine: Engine, exec: string, command: readonly string[]): Promise<boolean> {
  const seen = await inspectExec(engine, exec);
  if (seen === undefined || !seen.Running) return false;
  const { entrypoint, arguments: rest } = seen.ProcessConfig;
  return JSON.stringify([entrypoint, ...(rest ?? [])]) === JSON.stringify(command);
}

async function createExec(engine: Engine, id: string, command: readonly string[]): Promise<string> {
  const { Id } = await engine.ask<{ Id: string }>({
    operation: `prepare a command in container ${id}`,
    method: 'POST',
    path: pathOf`/containers/${id}/exec`,
    body: { AttachStdout: true, AttachStderr: true, Tty: false, Cmd: [...command] },
    deadlineMs: engine.deadlines.look,
  });
  return Id;
}

interface Heard {
  readonly kept: Pick<CommandRun, 'stdout' | 'stderr'>;
  readonly tooMuch: boolean;
}

/** Until its process, and whatever else has its output open, closes it. */
async function listen(engine: Engine, exec: string, timeIsUp: AbortSignal): Promise<Heard> {
  const operation = `run command ${exec}`;
  const kept: Record<LogLine['stream'], Buffer[]> = { STDOUT: [], STDERR: [] };
  let room = keptOutputBytes;
  let heard = 0;
  const frames = newFrameReader((stream, payload) => {
    const part = payload.subarray(0, room);
    room -= part.length;
    if (part.length > 0) kept[stream].push(Buffer.from(part));
  });
  try {
    const response = await startExec(engine, operation, exec, timeIsUp);
    for await (const chunk of readChunks(operation, response, undefined)) {
      heard += chunk.length;
      frames.read(chunk);
      if (heard > heardBytes) break;
    }
  } catch (cause) {
    if (!timeIsUp.aborted)
      throw cause instanceof EngineFault ? cause : new EngineFault(operation, `${operation}: ${cause}`);
  }
  const text = (stream: LogLine['stream']) => Buffer.concat(kept[stream]).toString('utf8');
  return { kept: { stdout: text('STDOUT'), stderr: text('STDERR') }, tooMuch: heard > heardBytes };
}

function startExec(
  engine: Engine,
  operation: string,
  exec: string,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const path = pathOf`/exec/${exec}/start`;
  const body = { Detach: false, Tty: false };
  return engine.stream(
    { operation, method: 'POST', path, body, deadlineMs: engine.deadlines.change },
    signal,
  );
}

/** The engine notes the end a moment after the output has closed. */
async function endOf(
  engine: Engine,
  exec: string,
  tooMuch: boolean,
  timeIsUp: AbortSignal,
): Promise<Pick<CommandRun, 'end' | 'exitCode'>> {
  for (;;) {
    const seen = await inspectExec(engine, exec);
    if (seen === undefined) return { end: 'NOT_RUNNING', exitCode: undefined };
    if (!seen.Running && seen.ExitCode !== null) return { end: 'EXITED', exitCode: seen.ExitCode };
    if (tooMuch) return { end: 'TOO_MUCH', exitCode: undefined };
    if (timeIsUp.aborted) return { end: 'TIME_UP', exitCode: undefined };
    await sleep(lookAgainMs);
  }
}

function inspectExec(engine: Engine, exec: string): Promise<ExecInspection | undefined> {
  return engine.askIfThere<ExecInspection>({
    operation: `inspect command ${exec}`,
    method: 'GET',
    path: pathOf`/exec/${exec}/json`,
    deadlineMs: engine.deadlines.look,
  });
}
