// A database of one's own for a test file, cloned from the run's migrated template.
import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import { inject } from 'vitest';

export interface FreshDatabase {
  readonly url: string;
  /** Ends whatever is still connected. */
  drop(): Promise<void>;
}

export async function freshDatabase(): Promise<FreshDatabase> {
  const server = inject('postgresUrl');
  const template = inject('templateName');
  const name = `test_${randomBytes(6).toString('hex')}`;
  // Copying files is quicker than copying through the log, as long as nothing of it has to survive.
  await administer(
    server,
    (client) => client`create database ${client(name)} template ${client(template)} strategy file_copy`,
  );
  return {
    url: server.replace(/\/[^/]*$/, `/${name}`),
    drop: () => administer(server, (client) => client`drop database if exists ${client(name)} with (force)`),
  };
}

async function administer(url: string, work: (client: postgres.Sql) => PromiseLike<unknown>): Promise<void> {
  const client = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
