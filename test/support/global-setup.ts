// What all test files share and none could start alone in good time: a Docker Engine, and one Postgres with a migrated
// template from which each file clones a database. Leaves nothing running that it started.
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import type { TestProject } from 'vitest/node';
import { openEmbeddedPostgres } from '../../src/postgres/embedded.ts';
import { ensureEngine, stopEngine } from '../../src/setup/engine.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Of the maintenance database on the run's own Postgres. */
    postgresUrl: string;
    templateName: string;
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
  const directory = mkdtempSync(join(tmpdir(), 'berth-test-'));
  // mkdtemp closes it to all others, and the server's account has to pass.
  chmodSync(directory, 0o711);
  const embedded = await openEmbeddedPostgres({
    directory: join(directory, 'db'),
    settings: withoutDurability,
  });
  await makeTemplate(embedded.url);
  project.provide('postgresUrl', embedded.url);
  project.provide('templateName', templateName);
  return async () => {
    await embedded.stop();
    rmSync(directory, { recursive: true, force: true });
    if (engine.startedPid !== undefined) await stopEngine(engine.startedPid);
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
