// The server's end of a push: a private Unix socket on which hook.ts says what was pushed, and over which the pusher is
// shown progress. It carries lines, nothing else; what a push leads to is onPush's doing. A pusher who stalls or leaves
// is let go: no push waits for its spectator.
import { chmod, mkdir, rm } from 'node:fs/promises';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { z } from 'zod';
import { Refusal, Unavailable } from '../errors.ts';
import { endOfProgress } from './hook.ts';
import { plainLine } from './plain-text.ts';

export interface Push {
  readonly repositoryId: string;
  /** What the caller of serveGit gave as the push's context. */
  readonly context: string;
  /** All zeros for the first push. */
  readonly oldSha: string;
  readonly newSha: string;
}

/** `say` shows lines to the pusher; it never fails and never waits for long. `signal` fires when nobody looks on any more. */
export type OnPush = (push: Push, say: (line: string) => Promise<void>, signal: AbortSignal) => Promise<void>;

const announcementTimeoutMs = 5_000;
const announcementMaxBytes = 16 * 1024;
const sayTimeoutMs = 10_000;
const closeTimeoutMs = 2_000;
/** Unix addresses hold 107 characters; git's and Node's errors about a longer one say nothing. */
const longestSocketPath = 103;

const hash = z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/);
const announcement = z.strictObject({
  repositoryId: z.uuid(),
  pusherToken: z.string().max(4096),
  oldSha: hash,
  newSha: hash,
});

/** `onFault` is told of each error of onPush that is no Refusal. */
export async function listenForPushes(
  socketPath: string,
  onPush: OnPush,
  onFault: (error: unknown) => void = reportFault,
): Promise<{ close(): Promise<void> }> {
  await prepareSocketPath(socketPath);
  const open = new Map<Promise<void>, Socket>();
  const server = createServer((socket) => {
    const attended = attend(socket, onPush, onFault).finally(() => open.delete(attended));
    open.set(attended, socket);
  });
  await listening(server, socketPath);
  await chmod(socketPath, 0o600);
  return {
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of open.values()) socket.destroy();
      await withTimeout(Promise.allSettled(open.keys()), closeTimeoutMs);
      await closed;
    },
  };
}

function reportFault(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : new Error(String(error)));
}

/** A socket file that nobody answers on is left from a process that was killed; one that is answered on is in use. */
async function prepareSocketPath(socketPath: string): Promise<void> {
  if (Buffer.byteLength(socketPath) > longestSocketPath)
    throw new Unavailable(
      `The path of the push socket is longer than ${longestSocketPath} bytes: ${socketPath}. Choose a data folder with a shorter path.`,
    );
  await mkdir(dirname(socketPath), { recursive: true, mode: 0o700 });
  await chmod(dirname(socketPath), 0o700);
  const inUse = await new Promise<boolean>((resolve) => {
    const probe = createConnection(socketPath, () => resolve(true));
    probe.on('connect', () => probe.destroy());
    probe.on('error', () => resolve(false));
  });
  if (inUse) throw new Unavailable(`Another Berth is already running on ${dirname(socketPath)}.`);
  await rm(socketPath, { force: true });
}

function listening(server: Server, socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** One push from its announcement to its last line. Never rejects. */
async function attend(socket: Socket, onPush: OnPush, onFault: (error: unknown) => void): Promise<void> {
  const gone = new AbortController();
  socket.on('error', () => undefined);
  socket.once('close', () => gone.abort());
  try {
    const push = await readAnnouncement(socket);
    if (push === undefined) return;
    const say = speaker(socket);
    await onPush(push, say, gone.signal).catch(async (error: unknown) => {
      if (!(error instanceof Refusal)) onFault(error);
      await say(error instanceof Refusal ? error.message : 'Berth had a fault; the push is kept.');
    });
    // Nothing else may be taken for the end, so a build that goes on after this process is killed isn't called done.
    if (!gone.signal.aborted) socket.end(`${endOfProgress}\n`);
  } finally {
    if (!socket.writableEnded) socket.destroy();
  }
}

/** The first line, in time and in shape; undefined (and nothing said) otherwise, since only our own hook speaks here. */
async function readAnnouncement(socket: Socket): Promise<Push | undefined> {
  const timer = setTimeout(() => socket.destroy(), announcementTimeoutMs);
  try {
    const line = await firstLine(socket);
    const parsed = line === undefined ? undefined : announcement.safeParse(parseJson(line));
    if (parsed?.success !== true) return undefined;
    const { pusherToken, ...push } = parsed.data;
    return { ...push, context: pusherToken };
  } finally {
    clearTimeout(timer);
  }
}

function firstLine(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    let received = Buffer.alloc(0);
    socket.once('close', () => resolve(undefined));
    // Kept listening after the first line: only a socket that is read notices that its other end has gone.
    socket.on('data', (chunk) => {
      if (received.length > announcementMaxBytes) return;
      received = Buffer.concat([received, Buffer.from(chunk)]);
      const end = received.indexOf(0x0a);
      if (end >= 0) resolve(received.toString('utf8', 0, end));
      else if (received.length > announcementMaxBytes) resolve(undefined);
    });
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Shows text line by line; a pusher who takes nothing for ten seconds is let go. */
function speaker(socket: Socket): (text: string) => Promise<void> {
  return async (text) => {
    for (const line of text.split(/\r?\n/)) {
      if (socket.destroyed) return;
      if (socket.write(`${plainLine(line)}\n`)) continue;
      const taken = new Promise<true>((resolve) => {
        socket.once('drain', () => resolve(true));
        socket.once('close', () => resolve(true));
      });
      if ((await withTimeout(taken, sayTimeoutMs)) === undefined) socket.destroy();
    }
  };
}

async function withTimeout<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
