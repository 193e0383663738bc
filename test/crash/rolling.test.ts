// A rolling restart of three replicas in the midst of redeploys, in short; test/crash/run.ts has it at length.
import { test } from 'vitest';
import { freshDatabase } from '../support/postgres.ts';
import { rollThrough } from './rolling.ts';

const redeploys = 6;

test('replicas that are restarted in turn bring every redeploy to its end, unnoticed by visitors and listeners', async () => {
  const database = await freshDatabase();
  try {
    await rollThrough(database.url, redeploys, console.log);
  } finally {
    await database.drop();
  }
}, 300_000);
