// What all test files share and none could start alone in good time: a Docker Engine, and one Postgres with a migrated
// template from which each file clones a database. Leaves nothing running that it started.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import postgres from 'postgres';
import type { TestProject } from 'vitest/node';
import { openEmbeddedPostgres } from '../../src/postgres/embedded.ts';
import { ensureEngine } from '../../src/setup/engine.ts';
import { clearScratch, newScratch, rememberEngine } from './scratch.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Of the maintenance database on the run's own Postgres. */
    postgresUrl: string;
    templateName: string;
    /** Gone after the run, together with every Postgres whose data lies in it; others may pass through. */
    scratch: string;
  }
}

const templateName = 'berth_template';

/** A power cut ends the tests anyway, so nothing waits for the disk. */
const withoutDurability = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '300',
};

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const say = (line: string): void => console.log(line);
  const engine = await ensureEngine({ host: process.env.DOCKER_HOST, say, stopWithProcess: true });
  const scratch = process.env.BERTH_TEST_SCRATCH || newScratch();
  // Workers, and the processes that tests start by the hundred, share what was compiled once.
  process.env.NODE_COMPILE_CACHE ??= join(scratch, 'compiled');
  if (engine.startedPid !== undefined) rememberEngine(scratch, engine.startedPid);
  const embedded = await openEmbeddedPostgres({
    directory: join(scratch, 'db'),
    settings: withoutDurability,
  });
  await makeTemplate(embedded.url);
  project.provide('postgresUrl', embedded.url);
  project.provide('templateName', templateName);
  project.provide('scratch', scratch);
  return async () => {
    await embedded.stop();
    await clearScratch(scratch);
  };
}

async function makeTemplate(url: string): Promise<void> {
  const client = postgres(url, { max: 1 });
  try {
    await client`create database ${client(templateName)}`;
  } finally {
    await client.end();
  }
  const store = new URL('../../src/postgres/open.ts', import.meta.url);
  if (!existsSync(store)) return;
  const { migrate } = await import('../../src/postgres/open.ts');
  await migrate(withDatabase(url, templateName));
}

/** The same server, another database. */
function withDatabase(url: string, database: string): string {
  return url.replace(/\/[^/]*$/, `/${database}`);
}
