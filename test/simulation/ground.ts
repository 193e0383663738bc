// What simulated worlds stand on, one after the other: a database of their own, an installation, a key.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureInstallation } from '../../src/postgres/organizations.ts';
import { openVault } from '../../src/postgres/vault.ts';
import { openDatabase } from './database.ts';
import type { Ground } from './world.ts';

export interface OpenGround extends Ground {
  close(): Promise<void>;
}

/** On a migrated database that nobody else uses. */
export async function openGround(url: string): Promise<OpenGround> {
  const directory = await mkdtemp(join(tmpdir(), 'berth-simulation-'));
  const database = await openDatabase(url);
  return {
    database,
    installation: await ensureInstallation(database.store),
    vault: await openVault(join(directory, 'key'), true),
    close: async () => {
      await database.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
