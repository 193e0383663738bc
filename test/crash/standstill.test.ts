// A holder that stands still for longer than its lease, at three places; test/crash/run.ts has it at every step.
import { test } from 'vitest';
import type { Place } from '../support/crash-child.ts';
import { freshDatabase } from '../support/postgres.ts';
import { standStill } from './standstill.ts';

const places: readonly Place[] = ['SWITCH:BEFORE', 'PUT_FILES:EFFECT', 'STOP_JOB:BEFORE'];

test.concurrent.each(places)(
  'one that stood still at %s does nothing of it when it comes back',
  async (place) => {
    const database = await freshDatabase();
    try {
      await standStill(database.url, place, console.log);
    } finally {
      await database.drop();
    }
  },
  180_000,
);
