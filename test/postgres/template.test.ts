// The support that every other test of the store stands on.
import postgres from 'postgres';
import { expect, test } from 'vitest';
import { freshDatabase } from '../support/postgres.ts';

test('a fresh database has the migrated tables, and is gone when dropped', async () => {
  const started = performance.now();
  const fresh = await freshDatabase();
  const took = performance.now() - started;
  const client = postgres(fresh.url, { max: 1 });
  const tables = await client`select 1 from information_schema.tables where table_schema = 'public'`;
  expect(tables.length).toBeGreaterThan(5);
  await client.end();
  await fresh.drop();
  await expect(postgres(fresh.url, { max: 1 })`select 1`).rejects.toThrow(/does not exist/);
  expect(took).toBeLessThan(5_000);
  console.log(took);
});
