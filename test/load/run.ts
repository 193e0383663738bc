// The long run, not part of `npm test`: `node test/load/run.ts [redeploys]` (default 100). Redeploys by OVERLAP, with an
// overlap of 0 s and of 1 s in turn, under a load through the service proxy and another through the edge; then a few with
// streams that are never closed by the visitor, whose jobs are drained for as long as a drain may take. Prints counts, and
// every failure; ends with 1 when there was one.
import { mkdtempSync, rmSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedPostgres } from '../../src/postgres/embedded.ts';
import { migrate } from '../../src/postgres/open.ts';
import { failuresOf, startLoad } from './load.ts';
import type { LoadResult } from './load-main.ts';
import { type RotationSamples, sampleRotation } from './rotation-samples.ts';
import { type LoadWorld, openLoadWorld, redeployByOverlap } from './world.ts';

const withHeldStreams = 4;
/** Interrupted, it ends after the redeploy that is under way, so that nothing is left behind. */
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    interrupted = true;
  });

async function main(redeploys: number): Promise<number> {
  process.env.BERTH_LOG_LEVEL ??= 'fatal';
  const directory = mkdtempSync(join(tmpdir(), 'berth-load-'));
  // The database's account has to pass.
  await chmod(directory, 0o711);
  const server = await openEmbeddedPostgres({ directory: join(directory, 'db') });
  try {
    await migrate(server.url);
    const load = await openLoadWorld(server.url);
    try {
      const usual = await measure(load, redeploys, {});
      const held = await measure(load, Math.min(redeploys, withHeldStreams), { streamSeconds: 0 });
      return usual + held === 0 ? 0 : 1;
    } finally {
      await load.close();
    }
  } finally {
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Answers with the number of failures. */
async function measure(
  load: LoadWorld,
  redeploys: number,
  how: { readonly streamSeconds?: number },
): Promise<number> {
  const words = how.streamSeconds === 0 ? 'streams held until their job says goodbye' : 'streams of 3 s';
  console.log(`\n${redeploys} redeploys by OVERLAP, scale 2, overlap 0 s and 1 s in turn, ${words}`);
  const rotation = await sampleRotation(load);
  const loads = {
    proxy: startLoad({ ...load.throughProxy, ...how }),
    edge: startLoad({ ...load.throughEdge, ...how }),
  };
  const seconds: number[] = [];
  let failed = 0;
  for (let round = 0; round < redeploys && !interrupted; round++) {
    const begun = performance.now();
    await redeployByOverlap(load, round % 2).catch((error: Error) => {
      failed += 1;
      console.log(`FAILED redeploy ${round + 1}: ${error.message}`);
    });
    seconds.push((performance.now() - begun) / 1_000);
    if ((round + 1) % 10 === 0) console.log(`  ${round + 1} done`);
  }
  const results = [await loads.proxy.end(), await loads.edge.end()] as const;
  const samples = await rotation.end();
  for (const [at, name] of (['service proxy', 'edge'] as const).entries())
    failed += sayLoad(name, results[at]);
  failed += sayRotation(samples);
  const sorted = seconds.toSorted((a, b) => a - b);
  const [middle, last] = [sorted[Math.floor(sorted.length / 2)] ?? 0, sorted.at(-1) ?? 0];
  console.log(`  redeploys: ${middle.toFixed(1)} s (median), ${last.toFixed(1)} s (longest)`);
  return failed;
}

function sayLoad(name: string, result: LoadResult | undefined): number {
  if (result === undefined) return 1;
  const { requests, socket, events } = result;
  console.log(`  through the ${name}: ${requests.asked} requests (${requests.perSecond} a second)`);
  for (const [kind, { asked, failed }] of Object.entries(requests.byKind))
    console.log(`    ${kind}: ${asked}, failed ${failed}`);
  console.log(
    `    answered within ${requests.medianMs} ms (median), ${requests.p99Ms} (p99), ${requests.longestMs} (longest)`,
  );
  for (const [kind, stream] of Object.entries({ 'web socket': socket, events }))
    console.log(
      `    ${kind}: opened ${stream.opened} times, ${stream.numbers} numbers, ${stream.goodbyes} goodbyes, failed ${stream.failures.length}`,
    );
  const failures = failuresOf(result);
  for (const failure of failures) console.log(`    FAILED ${failure}`);
  return failures.length;
}

function sayRotation({ samples, fewest, low, unanswered, longestPauseMs }: RotationSamples): number {
  console.log(
    `  rotation as HAProxy shows it: ${samples} samples, fewest healthy jobs ${fewest}, unanswered ${unanswered}, longest pause ${longestPauseMs} ms`,
  );
  for (const line of low) console.log(`    FAILED too few: ${line}`);
  return low.length;
}

process.exit(await main(Number(process.argv[2] ?? 100)));
