// The long matrix, not part of `npm test`: every point on every way where it can occur, at the first time it is passed and,
// where each job passes it, at the second; then a control plane that is away for two minutes, and a rolling restart. Run by
// `node test/crash/run.ts [lanes] [part of a crash's name]`; prints a line for each crash and ends with 1 when one did not
// come out well.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { openEmbeddedPostgres } from '../../src/postgres/embedded.ts';
import { migrate } from '../../src/postgres/open.ts';
import { leaveAlone } from './away.ts';
import { matrix } from './cover.ts';
import { type Crash, nameOf, runLane } from './lane.ts';
import { rollThrough } from './rolling.ts';

/** So many, one after the other, share a world and its services. */
const inOneWorld = 8;
/** What is no crash at a point, by names that are chosen by like theirs. */
const trials: Readonly<Record<string, (url: string) => Promise<void>>> = {
  'away for two minutes': (url) => leaveAlone(url, 120),
  'rolling restart': (url) => rollThrough(url, 10, console.log),
};

async function main(lanes: number, part: string): Promise<number> {
  process.env.BERTH_LOG_LEVEL ??= 'fatal';
  const scratch = mkdtempSync(join(tmpdir(), 'berth-crash-'));
  // The database's account has to pass.
  chmodSync(scratch, 0o711);
  const server = await openEmbeddedPostgres({ directory: join(scratch, 'db') });
  const crashes = matrix().filter((crash) => nameOf(crash).includes(part));
  const wanted = crashes.length + Object.keys(trials).filter((name) => name.includes(part)).length;
  console.log(`${wanted} trials in ${lanes} lanes`);
  const queue = crashes.flatMap((_, at) =>
    at % inOneWorld === 0 ? [crashes.slice(at, at + inOneWorld)] : [],
  );
  let worlds = 0;
  let done = 0;
  let failed = 0;
  // Interrupted, it ends after the crashes that are under way, so that nothing is left behind.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => queue.splice(0));
  const newUrl = () => newDatabase(server.url, `crash_${++worlds}`);
  const say = (line: string) => console.log(`${++done}/${wanted} ${line}`);
  async function work(): Promise<void> {
    for (let batch = queue.shift(); batch !== undefined; batch = queue.shift()) {
      const rest = await runBatch(await newUrl(), batch, say);
      if (rest === undefined) continue;
      failed += 1;
      // Those after the one that failed go on in a world of their own.
      if (rest.length > 0) queue.unshift(rest);
    }
  }
  try {
    await Promise.all(Array.from({ length: lanes }, work));
    for (const [name, trial] of Object.entries(trials))
      if (name.includes(part) && !(await isFine(say, name, trial(await newUrl())))) failed += 1;
  } finally {
    await server.stop();
    rmSync(scratch, { recursive: true, force: true });
  }
  console.log(`${done - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

/** Undefined when all went well; else those that were not tried. */
async function runBatch(
  url: string,
  batch: readonly Crash[],
  say: (line: string) => void,
): Promise<Crash[] | undefined> {
  let passed = 0;
  try {
    await runLane(url, batch, (line) => {
      passed += 1;
      say(line);
    });
    return undefined;
  } catch (error) {
    say(`FAILED ${error instanceof Error ? error.message : error}`);
    return batch.slice(passed + 1);
  }
}

async function isFine(say: (line: string) => void, name: string, trial: Promise<void>): Promise<boolean> {
  try {
    await trial;
    say(`${name}: passed`);
    return true;
  } catch (error) {
    say(`FAILED ${name}: ${error instanceof Error ? error.message : error}`);
    return false;
  }
}

async function newDatabase(server: string, name: string): Promise<string> {
  const client = postgres(server, { max: 1 });
  await client`create database ${client(name)}`;
  await client.end();
  const url = server.replace(/\/[^/]*$/, `/${name}`);
  await migrate(url);
  return url;
}

process.exit(await main(Number(process.argv[2] ?? 3), process.argv[3] ?? ''));
