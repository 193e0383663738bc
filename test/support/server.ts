// Berth as a person starts it: `node src/main.ts` in a process of its own, its words read from its output.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface ServerProcess {
  readonly url: string;
  readonly token: string;
  /** Everything it has said so far. */
  output(): string;
  /** Like Ctrl-C; answers with its exit code. */
  stop(): Promise<number | null>;
  /** As by kill -9; answers when it is dead. */
  kill(): Promise<void>;
}

const stopPatienceMs = 20_000;
const root = new URL('../..', import.meta.url).pathname;

export async function startServer(
  dataDirectory: string,
  environment: Readonly<Record<string, string>>,
  patienceMs: number,
): Promise<ServerProcess> {
  const child = spawn(process.execPath, ['src/main.ts'], {
    cwd: root,
    env: {
      ...process.env,
      BERTH_LOG_LEVEL: 'warn',
      PORT: '0',
      BERTH_EDGE: 'no',
      BERTH_DATA: dataDirectory,
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => (said += text));
  const url = await readyUrl(child, () => said, patienceMs);
  return {
    url,
    token: (await readFile(join(dataDirectory, 'admin-token'), 'utf8')).trim(),
    output: () => said,
    stop: async () => {
      const exited = once(child, 'exit');
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      child.kill('SIGINT');
      const timer = setTimeout(() => child.kill('SIGKILL'), stopPatienceMs);
      const [code] = (await exited) as [number | null];
      clearTimeout(timer);
      if (code === null) throw new Error(`Berth did not stop within ${stopPatienceMs} ms. It said:\n${said}`);
      return code;
    },
    kill: async () => {
      const exited = once(child, 'exit');
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await exited;
    },
  };
}

function readyUrl(child: ChildProcess, said: () => string, patienceMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const listening = new AbortController();
    const end = (problem: string) => {
      child.kill('SIGKILL');
      reject(new Error(`${problem} It said:\n${said()}`));
    };
    const timer = setTimeout(() => end(`Berth was not ready within ${patienceMs} ms.`), patienceMs);
    const exited = (code: number | null) => end(`Berth ended with code ${code}.`);
    const heard = () => {
      const url = /Berth is ready: {2}(\S+)\/graphql/.exec(said())?.[1];
      if (url === undefined || listening.signal.aborted) return;
      listening.abort();
      clearTimeout(timer);
      child.off('exit', exited);
      resolve(url);
    };
    child.once('exit', exited);
    child.stdout?.on('data', heard);
  });
}

/** A GraphQL request as any client makes it; throws on errors. */
export async function ask<T = Record<string, never>>(
  server: Pick<ServerProcess, 'url' | 'token'>,
  query: string,
): Promise<T> {
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${server.token}` },
    body: JSON.stringify({ query }),
  });
  const { data, errors } = (await response.json()) as { data: T; errors?: { message: string }[] };
  if (errors !== undefined) throw new Error(errors.map(({ message }) => message).join('; '));
  return data;
}

interface EventsPage {
  readonly events: {
    readonly endCursor: string;
    readonly hasNextPage: boolean;
    readonly items: readonly { readonly cursor?: string }[];
  };
}

/** Cursors of every event of an environment, by pages of the query. */
export async function allCursors(
  server: Pick<ServerProcess, 'url' | 'token'>,
  environmentId: string,
): Promise<string[]> {
  const cursors: string[] = [];
  let after = '';
  for (;;) {
    const { events } = await ask<EventsPage>(
      server,
      `{ events(environmentId: "${environmentId}", first: 100${after}) { endCursor hasNextPage items { ... on Event { cursor } } } }`,
    );
    cursors.push(...events.items.flatMap(({ cursor }) => cursor ?? []));
    if (!events.hasNextPage) return cursors;
    after = `, after: "${events.endCursor}"`;
  }
}

/** Asks again until `look` answers something; fails with the last thing seen. */
export async function until<T>(
  what: string,
  patienceMs: number,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const end = performance.now() + patienceMs;
  let seen: unknown;
  while (performance.now() < end) {
    try {
      const found = await look();
      if (found !== undefined) return found;
    } catch (error) {
      seen = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(
    `${what} did not happen within ${patienceMs} ms${seen === undefined ? '' : `: ${String(seen)}`}.`,
  );
}

/** The id within a global id. */
export function decode(globalId = ''): string {
  return Buffer.from(globalId, 'base64url').toString('utf8').split(':')[1] ?? '';
}
