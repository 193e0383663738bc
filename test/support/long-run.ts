// The frame of the long matrices that are not part of `npm test`: a Postgres of their own, so many lanes side by side, a fresh
// database for each batch, a line for each case, and after a case that failed the others go on in another world.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { openEmbeddedPostgres } from '../../src/postgres/embedded.ts';
import { migrate } from '../../src/postgres/open.ts';

export interface LongRun<Case> {
  /** Each in a world of its own. */
  readonly batches: readonly (readonly Case[])[];
  readonly lanes: number;
  /** Says one line for each case that has passed, in their order, and throws at the first that did not. */
  run(url: string, batch: readonly Case[], say: (line: string) => void): Promise<void>;
  /** What comes after all of them, one after the other, each with a database of its own, by name. */
  readonly afterwards?: Readonly<Record<string, (url: string) => Promise<void>>>;
}

/** Answers with the exit code. */
export async function runLong<Case>({
  batches,
  lanes,
  run,
  afterwards = {},
}: LongRun<Case>): Promise<number> {
  process.env.BERTH_LOG_LEVEL ??= 'fatal';
  const scratch = mkdtempSync(join(tmpdir(), 'berth-long-'));
  // The database's account has to pass.
  chmodSync(scratch, 0o711);
  const settings = { max_connections: '300' };
  const server = await openEmbeddedPostgres({ directory: join(scratch, 'db'), settings });
  const queue = [...batches];
  const whole = batches.flat().length + Object.keys(afterwards).length;
  console.log(`${whole} cases in ${lanes} lanes`);
  let worlds = 0;
  let done = 0;
  let failed = 0;
  // Interrupted, it ends after the batches that are under way, so that nothing is left behind.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => queue.splice(0));
  const newUrl = () => newDatabase(server.url, `world_${++worlds}`);
  const say = (line: string) => console.log(`${++done}/${whole} ${line}`);
  function fail(error: unknown): void {
    failed += 1;
    say(`FAILED ${error instanceof Error ? error.message : error}`);
  }
  async function work(): Promise<void> {
    for (let batch = queue.shift(); batch !== undefined; batch = queue.shift()) {
      let passed = 0;
      const tell = (line: string) => {
        passed += 1;
        say(line);
      };
      try {
        await run(await newUrl(), batch, tell);
      } catch (error) {
        fail(error);
        const rest = batch.slice(passed + 1);
        if (rest.length > 0) queue.unshift(rest);
      }
    }
  }
  try {
    await Promise.all(Array.from({ length: lanes }, work));
    for (const [name, trial] of Object.entries(afterwards))
      await trial(await newUrl()).then(() => say(`${name}: passed`), fail);
  } finally {
    await server.stop();
    rmSync(scratch, { recursive: true, force: true });
  }
  console.log(`${done - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

export function inBatches<Case>(cases: readonly Case[], size: number): Case[][] {
  return cases.flatMap((_, at) => (at % size === 0 ? [cases.slice(at, at + size)] : []));
}

async function newDatabase(server: string, name: string): Promise<string> {
  const client = postgres(server, { max: 1 });
  await client`create database ${client(name)}`;
  await client.end();
  const url = server.replace(/\/[^/]*$/, `/${name}`);
  await migrate(url);
  return url;
}
