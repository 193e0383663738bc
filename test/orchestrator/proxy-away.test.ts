// The control plane killed and away for a while, with visitors all the time: not one request fails, then or when it is back.
// For two minutes it is away in test/crash/run.ts.
import { test } from 'vitest';
import { leaveAlone } from '../crash/away.ts';
import { freshDatabase } from '../support/postgres.ts';

test('nobody notices that the control plane is away', async () => {
  const database = await freshDatabase();
  try {
    await leaveAlone(database.url, 15);
  } finally {
    await database.drop();
  }
}, 120_000);
