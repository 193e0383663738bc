// `npm run bench`: every benchmark, a ratio against a named peer measured in the same run where there is one. Asserts nothing.

import { benchLive } from './live.ts';
import { benchMonitoring } from './monitoring.ts';
import { benchNestedRead } from './nested-read.ts';
import { benchOverlap } from './overlap.ts';
import { benchRedeploy } from './redeploy.ts';
import { benchResults } from './results.ts';
import { openBench } from './support.ts';

const say = (line: string) => console.log(line);
const only = process.argv[2];

if (only === undefined || only === 'nested-read') await benchNestedRead(say);
if (only === undefined || only === 'live') await benchLive(say);
if (only === undefined || only === 'redeploy') {
  const world = await openBench();
  try {
    await benchRedeploy(world, say);
  } finally {
    await world.close();
  }
}
if (only === undefined || only === 'overlap') await benchOverlap(say, Number(process.argv[3] ?? 10));
if (only === undefined || only === 'monitoring') await benchMonitoring(say);
if (only === undefined) await benchResults(say);
if (only === 'results') await benchResults(say, Number(process.argv[3] ?? 500));
process.exit(0);
