// Any number of seeds, not part of `npm test`. Run by `node test/simulation/run.ts [from] [count]`; prints the seeds that
// fail, with their whole story when there is only one, what each has cost, and ends with 1 when one failed.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedPostgres } from '../../src/postgres/embedded.ts';
import { migrate } from '../../src/postgres/open.ts';
import { openGround } from './ground.ts';
import { scenarioOf } from './scenario.ts';
import { simulate } from './simulate.ts';

const settings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };

async function main(from: number, count: number): Promise<number> {
  const scratch = mkdtempSync(join(tmpdir(), 'berth-seeds-'));
  // The database's account has to pass.
  chmodSync(scratch, 0o711);
  const server = await openEmbeddedPostgres({ directory: join(scratch, 'db'), settings });
  let failed = 0;
  let last = from + count;
  // Interrupted, it ends after the seed that is under way, so that nothing is left behind.
  const stop = () => {
    last = from;
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop);
  try {
    await migrate(server.url);
    const ground = await openGround(server.url);
    const [begun, cpu] = [performance.now(), process.cpuUsage()];
    for (let seed = from; seed < last; seed++) {
      const { faults, story } = await simulate(ground, scenarioOf(seed));
      if (faults.length > 0) failed += 1;
      if (faults.length > 0 || count === 1)
        console.log([`SEED=${seed}`, ...faults, ...(count === 1 ? story : [])].join('\n'));
      if ((seed - from) % 100 === 99) console.log(`${seed - from + 1} of ${count}, ${failed} failed`);
    }
    const { user, system } = process.cpuUsage(cpu);
    const each = (milliseconds: number) => `${(milliseconds / count).toFixed(0)} ms`;
    console.log(
      `${each(performance.now() - begun)} each, ${each((user + system) / 1000)} of them this process's own`,
    );
    await ground.close();
  } finally {
    await server.stop();
    rmSync(scratch, { recursive: true, force: true });
  }
  console.log(`${count - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exit(await main(Number(process.argv[2] ?? 0), Number(process.argv[3] ?? 2_000)));
