// The long matrix, not part of `npm test`: every point that a redeploy passes by, on the way to success and on the way of
// failing health, for one job and for three, at the first time it is passed and at the second. Run by
// `node test/crash/run.ts [lanes]`; prints a line for each crash and ends with 1 when one did not come out well.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import type { Point, StepName } from '../../src/orchestrator/deps.ts';
import { openEmbeddedPostgres } from '../../src/postgres/embedded.ts';
import { migrate } from '../../src/postgres/open.ts';
import { type Crash, runLane } from './lane.ts';
import { unhealthy, type Way, ways } from './paths.ts';

const moments = ['BEFORE', 'EFFECT', 'WRITTEN'] as const;
/** Each job passes by these, so a second time is another state of the world. */
const ofJobs: readonly StepName[] = ['STOP_JOB', 'START_JOB', 'VERIFY_JOB', 'CLEAN_JOB'];

function matrix(): Crash[] {
  const success = ways.find((way) => way.name === 'success');
  if (success === undefined) throw new Error('there is no way of success');
  const failure: Way = { ...unhealthy, steps: [...success.steps, 'FAIL', 'ENTER_RESTORE'] };
  return [success, failure].flatMap((way) =>
    [1, 3].flatMap((scale) =>
      way.steps.flatMap((step) =>
        moments.flatMap((moment) =>
          (ofJobs.includes(step) ? [1, 2] : [1]).map(
            (occurrence): Crash => ({ way, point: `${step}:${moment}` as Point, scale, occurrence }),
          ),
        ),
      ),
    ),
  );
}

async function main(lanes: number): Promise<number> {
  process.env.BERTH_LOG_LEVEL ??= 'fatal';
  const scratch = mkdtempSync(join(tmpdir(), 'berth-crash-'));
  // The database's account has to pass.
  chmodSync(scratch, 0o711);
  const server = await openEmbeddedPostgres({ directory: join(scratch, 'db') });
  const crashes = matrix();
  console.log(`${crashes.length} crashes in ${lanes} lanes`);
  const queue = [...crashes.entries()];
  let failed = 0;
  // Interrupted, it ends after the crashes that are under way, so that nothing is left behind.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => queue.splice(0));
  async function work(): Promise<void> {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [number, crash] = next;
      const url = await newDatabase(server.url, `crash_${number}`);
      const say = (line: string) => console.log(`${number + 1}/${crashes.length} ${line}`);
      await runLane(url, [crash], say).catch((error: unknown) => {
        failed += 1;
        console.log(
          `${number + 1}/${crashes.length} FAILED ${error instanceof Error ? error.message : error}`,
        );
      });
    }
  }
  try {
    await Promise.all(Array.from({ length: lanes }, work));
  } finally {
    await server.stop();
    rmSync(scratch, { recursive: true, force: true });
  }
  console.log(`${crashes.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

async function newDatabase(server: string, name: string): Promise<string> {
  const client = postgres(server, { max: 1 });
  await client`create database ${client(name)}`;
  await client.end();
  const url = server.replace(/\/[^/]*$/, `/${name}`);
  await migrate(url);
  return url;
}

process.exit(await main(Number(process.argv[2] ?? 3)));
