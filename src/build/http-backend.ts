// git's own HTTP server program behind ours: one request in, one CGI process, one response out, both ways as streams. Who
// the caller is and whether it may push was settled before; which refs may be pushed is for the hooks.
import { type ChildProcess, spawn } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { basename, dirname } from 'node:path';
import type { Readable, Writable } from 'node:stream';

export interface GitRequest {
  readonly repositoryPath: string;
  /** What follows the repository in the URL: `info/refs`, `git-upload-pack` or `git-receive-pack`. */
  readonly pathInfo: string;
  /** The query without its question mark; empty when there is none. */
  readonly query: string;
  /** The git process's whole environment, from Repositories.pushEnvironment. */
  readonly environment: Readonly<Record<string, string>>;
}

/** How long a push whose client has gone may take to finish what it has begun, so that a kept push is also told of. */
const finishMs = 5_000;
const killMs = 5_000;
const stallMs = 60_000;
const longestHead = 16 * 1024;

/** `/git/<namespace>/<label>.git/<rest>` in its parts. No part is decoded: none that is allowed needs it. */
export function parseGitPath(url: string): { namespace: string; label: string; rest: string } | undefined {
  const path = url.split('?', 1)[0] ?? '';
  const match = /^\/git\/([a-z0-9][a-z0-9-]{0,62})\/([a-z0-9][a-z0-9-]{0,62})\.git\/([a-z/-]{1,32})$/.exec(
    path,
  );
  const [, namespace, label, rest] = match ?? [];
  if (namespace === undefined || label === undefined || rest === undefined) return undefined;
  return { namespace, label, rest };
}

/** What a request wants of a repository; undefined for everything that isn't the smart protocol. */
export function gitService(
  method: string | undefined,
  pathInfo: string,
  query: string,
): 'git-upload-pack' | 'git-receive-pack' | undefined {
  const wanted = `${method ?? ''} ${pathInfo}${query === '' ? '' : `?${query}`}`;
  switch (wanted) {
    case 'GET info/refs?service=git-upload-pack':
    case 'POST git-upload-pack':
      return 'git-upload-pack';
    case 'GET info/refs?service=git-receive-pack':
    case 'POST git-receive-pack':
      return 'git-receive-pack';
    default:
      return undefined;
  }
}

/** Answers the request in full. Resolves when git has ended, whatever became of the client; never rejects. */
export async function serveGit(
  request: IncomingMessage,
  response: ServerResponse,
  options: GitRequest,
): Promise<void> {
  const service = gitService(request.method, options.pathInfo, options.query);
  if (service === undefined) return refuse(request, response, 404, 'Not found.');
  const child = spawn('git', ['http-backend'], {
    env: cgiEnvironment(request, options),
    cwd: '/',
    stdio: ['pipe', 'pipe', 'ignore'],
    // A group of its own: it can be ended with everything it started, and a Ctrl-C for Berth isn't one for a push.
    detached: true,
  });
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  });
  const letGo = endWhenClientLeaves(child, request, response, service);
  feed(request, child.stdin);
  try {
    await respond(child.stdout, response);
  } catch {
    if (!response.headersSent) refuse(request, response, 502, 'git gave no usable answer.');
    else response.destroy();
  }
  await ended;
  letGo();
  // git may refuse before it has read everything. The rest is read and dropped for a while, or the client, still
  // sending, would see a broken connection instead of the answer.
  if (!request.complete) setTimeout(() => request.destroy(), finishMs).unref();
}

function refuse(request: IncomingMessage, response: ServerResponse, status: number, sentence: string): void {
  request.resume();
  if (response.destroyed) return;
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${sentence}\n`);
}

function cgiEnvironment(request: IncomingMessage, options: GitRequest): Record<string, string> {
  const protocol = request.headers['git-protocol'];
  const given = {
    CONTENT_TYPE: request.headers['content-type'],
    CONTENT_LENGTH: request.headers['content-length'],
    HTTP_CONTENT_ENCODING: request.headers['content-encoding'],
    GIT_PROTOCOL: typeof protocol === 'string' && /^[a-z0-9=:.]{1,64}$/.test(protocol) ? protocol : undefined,
    REMOTE_ADDR: request.socket.remoteAddress,
  };
  return {
    ...options.environment,
    ...Object.fromEntries(Object.entries(given).filter((entry) => entry[1] !== undefined)),
    GATEWAY_INTERFACE: 'CGI/1.1',
    SERVER_PROTOCOL: 'HTTP/1.1',
    GIT_HTTP_EXPORT_ALL: '1',
    GIT_PROJECT_ROOT: dirname(options.repositoryPath),
    PATH_INFO: `/${basename(options.repositoryPath)}/${options.pathInfo}`,
    QUERY_STRING: options.query,
    REQUEST_METHOD: request.method ?? 'GET',
    REMOTE_USER: 'berth',
  };
}

/** The request's body to git. A client that leaves is an end of input; a git that stops reading leaves the client be. */
function feed(request: IncomingMessage, stdin: Writable): void {
  stdin.on('error', () => {
    request.unpipe(stdin);
    request.resume();
  });
  request.on('error', () => undefined);
  request.once('close', () => {
    if (!request.complete) stdin.destroy();
  });
  request.pipe(stdin);
}

/** The CGI answer to the client: head, then body. Once the client has gone the rest is read and dropped, so that git is
 * not torn out of what it is doing. */
async function respond(stdout: Readable, response: ServerResponse): Promise<void> {
  response.on('error', () => undefined);
  let head = Buffer.alloc(0);
  for await (const chunk of stdout as AsyncIterable<Buffer>) {
    if (response.headersSent) {
      await write(response, chunk);
      continue;
    }
    head = Buffer.concat([head, chunk]);
    const end = endOfHead(head);
    if (end !== undefined) {
      startResponse(response, head.toString('latin1', 0, end.at));
      await write(response, head.subarray(end.at + end.length));
    } else if (head.length > longestHead) {
      throw new Error('The head of the CGI answer is too long.');
    }
  }
  if (!response.headersSent) throw new Error('The CGI answer has no head.');
  response.end();
}

/** CGI programs may end lines with LF alone. */
function endOfHead(head: Buffer): { at: number; length: number } | undefined {
  const ends = ['\r\n\r\n', '\n\n']
    .map((mark) => ({ at: head.indexOf(mark), length: mark.length }))
    .filter(({ at }) => at >= 0);
  return ends.sort((a, b) => a.at - b.at)[0];
}

/** Only what git's answers need is passed on. */
function startResponse(response: ServerResponse, head: string): void {
  const passed = new Set(['content-type', 'cache-control', 'expires', 'pragma']);
  let status = 200;
  const headers: Record<string, string> = {};
  for (const line of head.split(/\r?\n/)) {
    const [, name = '', value = ''] = /^([A-Za-z-]+):[ \t]*([\x20-\x7e]*)$/.exec(line) ?? [];
    if (name.toLowerCase() === 'status') status = Number(/^([2-5]\d\d)\b/.exec(value)?.[1] ?? 500);
    else if (passed.has(name.toLowerCase())) headers[name.toLowerCase()] = value;
  }
  response.writeHead(status, headers);
}

async function write(response: ServerResponse, chunk: Buffer): Promise<void> {
  if (chunk.length === 0 || response.destroyed || response.write(chunk)) return;
  await new Promise<void>((resolve) => {
    // Whoever takes nothing for so long is gone, and git would be there for nobody.
    const stalled = setTimeout(() => response.destroy(), stallMs);
    const settle = () => {
      clearTimeout(stalled);
      response.off('drain', settle).off('close', settle);
      resolve();
    };
    response.on('drain', settle).on('close', settle);
  });
}

/** git is ended at once when its client goes (left alone with half a body, http-backend turns in circles). A push that
 * has been received in full gets time first: from the moment its commit is kept until the server has been told of it,
 * ending it would leave a commit nobody builds. Answers with what calls this off. */
function endWhenClientLeaves(
  child: ChildProcess,
  request: IncomingMessage,
  response: ServerResponse,
  service: string,
): () => void {
  const timers: NodeJS.Timeout[] = [];
  const pushed = request.method === 'POST' && service === 'git-receive-pack';
  const onClose = () => {
    if (response.writableFinished) return;
    const patience = pushed && request.complete ? finishMs : 0;
    timers.push(setTimeout(() => signalGroup(child, 'SIGTERM'), patience));
    timers.push(setTimeout(() => signalGroup(child, 'SIGKILL'), patience + killMs));
  };
  response.once('close', onClose);
  return () => {
    response.off('close', onClose);
    for (const timer of timers) clearTimeout(timer);
  };
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // It has ended by itself.
  }
}
