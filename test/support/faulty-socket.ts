// Stands between a runtime and the Docker Engine on a Unix socket of its own, knows one call from another, and fails on
// command: it refuses, is late, answers in the engine's place, swallows a call or its answer, cuts an answer off, lets a stream
// die or tell everything twice. What is not failing passes through. Knows nothing of what the calls are for.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export type Fault =
  /** The connection is closed at once. */
  | 'REFUSED'
  /** The call reaches the engine only after a while. */
  | 'DELAY'
  /** It reaches the engine long after whoever called has given it up. */
  | 'LATE'
  /** Answered in the engine's place, which hears nothing of it. */
  | 'ERROR_500'
  | 'ERROR_409'
  /** Nothing reaches the engine, and no answer ever comes. */
  | 'BLACK_HOLE_BEFORE'
  /** The engine does what it is asked, and no answer ever comes. */
  | 'BLACK_HOLE_AFTER'
  /** The engine does what it is asked; its answer ends after the headers and a part of the body. */
  | 'BODY_CUT'
  /** The engine does what it is asked, and the connection is closed instead of an answer. */
  | 'LOST_ANSWER'
  /** A stream stays open, and nothing comes by it any more. */
  | 'DEAD_STREAM'
  /** Whatever comes by a stream comes twice. */
  | 'REPEATED';

export interface Call {
  readonly method: string;
  /** Without the version of the API. */
  readonly path: string;
  readonly query: URLSearchParams;
}

export interface Failing {
  readonly fault: Fault;
  /** Which calls; without: all. */
  readonly calls?: (call: Call) => boolean;
  /** So many calls meet it; without: all until it is healed. */
  readonly times?: number;
}

export interface FaultySocket {
  /** As a value of DOCKER_HOST. */
  readonly host: string;
  /** From now on, instead of whatever failed before. */
  fail(failing: Failing): void;
  /** How many calls, or parts of a stream, have met the fault. */
  hits(): number;
  /** What hangs or is dead already stays so. */
  heal(): void;
  /** Cuts the connections that are open now; answers how many those were. */
  cut(calls?: (call: Call) => boolean): number;
  close(): Promise<void>;
}

const delayMs = 700;
const lateMs = 5_000;
/** Whoever hasn't begun to answer by then is a stream. */
const streamMs = 300;

/** `heard`: told of each call, whatever becomes of it. */
export async function openFaultySocket(
  engine = process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock',
  heard: (call: Call) => void = () => {},
): Promise<FaultySocket> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-faulty-'));
  const path = join(folder, 'docker.sock');
  const open = new Map<ServerResponse, Call>();
  const passing = new Set<ReturnType<typeof request>>();
  let failing: Failing | undefined;
  let hits = 0;

  function faultOf(call: Call): Fault | undefined {
    const { fault, calls = () => true, times = Number.POSITIVE_INFINITY } = failing ?? {};
    return hits < times && calls(call) ? fault : undefined;
  }

  const server = createServer((incoming, response) => {
    const call = callOf(incoming);
    heard(call);
    open.set(response, call);
    response.on('error', () => {}).on('close', () => open.delete(response));
    incoming.on('error', () => {});
    const fault = faultOf(call);
    if (fault !== undefined && fault !== 'DEAD_STREAM' && fault !== 'REPEATED') hits += 1;
    void answer(incoming, response, call, fault).catch(() => response.destroy());
  });

  async function answer(
    incoming: IncomingMessage,
    response: ServerResponse,
    call: Call,
    fault: Fault | undefined,
  ): Promise<void> {
    if (fault === 'REFUSED') return void response.destroy();
    if (fault === 'BLACK_HOLE_BEFORE') return void incoming.resume();
    if (fault === 'ERROR_500' || fault === 'ERROR_409') {
      for await (const _ of incoming);
      response.writeHead(fault === 'ERROR_500' ? 500 : 409, { 'content-type': 'application/json' });
      return void response.end('{"message":"a fault that a test has asked for"}');
    }
    if (fault === 'DELAY') await sleep(delayMs);
    const given = await pass(incoming, response, fault);
    // The engine answers when it has done what it was asked.
    if (fault === 'BLACK_HOLE_AFTER' || fault === 'LATE') return void given.resume();
    if (fault === 'LOST_ANSWER') return void response.destroy();
    response.writeHead(given.statusCode ?? 500, given.headers);
    response.flushHeaders();
    if (fault === 'BODY_CUT') await beginOnly(given, response);
    else await relay(given, response, call);
  }

  async function pass(
    incoming: IncomingMessage,
    response: ServerResponse,
    fault: Fault | undefined,
  ): Promise<IncomingMessage> {
    const { method, url, headers } = incoming;
    const socketPath = engine.replace('unix://', '');
    const asked = request({ socketPath, method, path: url, headers, agent: false });
    passing.add(asked);
    asked.on('error', () => response.destroy()).on('close', () => passing.delete(asked));
    // Who asked may go without an answer; what is to be done in spite of it isn't called off.
    const isDoneAnyway = fault === 'BLACK_HOLE_AFTER' || fault === 'LOST_ANSWER' || fault === 'LATE';
    if (!isDoneAnyway) response.on('close', () => asked.destroy());
    if (fault === 'LATE') {
      const body = Buffer.concat(await Array.fromAsync(incoming));
      await sleep(lateMs);
      asked.end(body);
    } else incoming.pipe(asked);
    const [given] = (await once(asked, 'response')) as [IncomingMessage];
    return given.on('error', () => response.destroy());
  }

  async function relay(given: IncomingMessage, response: ServerResponse, call: Call): Promise<void> {
    let dead = false;
    for await (const chunk of given) {
      const fault = faultOf(call);
      if (fault === 'DEAD_STREAM' || fault === 'REPEATED') hits += 1;
      dead ||= fault === 'DEAD_STREAM';
      if (dead) continue;
      for (let copies = fault === 'REPEATED' ? 2 : 1; copies > 0; copies--)
        if (!response.write(chunk)) await Promise.race([once(response, 'drain'), once(response, 'close')]);
    }
    if (given.complete) response.end();
    else response.destroy();
  }

  await new Promise<void>((resolve) => server.listen(path, resolve));
  function cut(calls: (call: Call) => boolean = () => true): number {
    const chosen = [...open].filter(([, call]) => calls(call));
    for (const [response] of chosen) response.destroy();
    return chosen.length;
  }
  return {
    host: `unix://${path}`,
    fail: (next) => {
      failing = next;
      hits = 0;
    },
    hits: () => hits,
    heal: () => {
      failing = undefined;
    },
    cut,
    close: async () => {
      cut();
      for (const asked of passing) asked.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function callOf({ method = '', url = '' }: IncomingMessage): Call {
  const { pathname, searchParams } = new URL(url, 'http://engine');
  return { method, path: pathname.replace(/^\/v\d[\d.]*/, ''), query: searchParams };
}

async function beginOnly(given: IncomingMessage, response: ServerResponse): Promise<void> {
  // A stream may have nothing to say yet.
  const first = once(given, 'data', { signal: AbortSignal.timeout(streamMs) });
  const [chunk]: Buffer[] = await first.catch(() => []);
  const half = chunk?.subarray(0, Math.floor(chunk.length / 2)) ?? Buffer.alloc(0);
  if (half.length > 0) await new Promise((resolve) => response.write(half, resolve));
  // Not destroyed: what was written is to arrive.
  response.socket?.end();
  given.destroy();
}
