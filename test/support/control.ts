// A control room over a database of its own, with tokens on demand: what tests of the API need and no more. Nothing
// starts containers here.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Control, ControlSettings } from '../../src/control/control.ts';
import { createEnvironment } from '../../src/control/environments.ts';
import { callerFor, hashToken, makeToken } from '../../src/control/tokens.ts';
import { newId } from '../../src/ids.ts';
import { type Caller, type Scope, scopes } from '../../src/model/callers.ts';
import { change } from '../../src/postgres/change.ts';
import { openEventLog } from '../../src/postgres/event-log.ts';
import { openNudges } from '../../src/postgres/nudges.ts';
import { openStore } from '../../src/postgres/open.ts';
import { ensureInstallation } from '../../src/postgres/organizations.ts';
import { openResultLog } from '../../src/postgres/result-log.ts';
import { insertToken } from '../../src/postgres/tokens.ts';
import { openVault } from '../../src/postgres/vault.ts';
import { freshDatabase } from './postgres.ts';

export interface TestToken {
  readonly id: string;
  readonly secret: string;
  readonly caller: Caller;
}

export interface ControlWorld {
  readonly control: Control;
  /** A folder of the world's own. */
  readonly directory: string;
  /** Of an administrator. */
  readonly token: TestToken;
  addToken(options?: {
    scopes?: readonly Scope[];
    environmentId?: string;
    expiresAt?: Date;
  }): Promise<TestToken>;
  addEnvironment(name?: string): Promise<string>;
  /** Renames told of in the environment's log, a hundred in each transaction. */
  addEvents(environmentId: string, count: number): Promise<void>;
  /** Another control room over the same database, as another replica has it. */
  openReplica(): Promise<{ readonly control: Control; close(): Promise<void> }>;
  close(): Promise<void>;
}

/** Environments include no service unless `settings` say otherwise. */
export async function openControl(settings: Partial<ControlSettings> = {}): Promise<ControlWorld> {
  const database = await freshDatabase();
  const directory = await mkdtemp(join(tmpdir(), 'berth-control-'));
  const { control, close } = await open(database.url, directory, settings);
  const addToken: ControlWorld['addToken'] = async ({
    scopes: granted = scopes,
    environmentId,
    expiresAt,
  } = {}) => {
    const secret = makeToken();
    const row = await insertToken(control.store.db, {
      id: newId(),
      organizationId: control.installation.organizationId,
      environmentId: environmentId ?? null,
      name: 'tester',
      hash: hashToken(secret),
      scopes: [...granted],
      operator: granted === scopes,
      expiresAt: expiresAt ?? null,
      createdBy: 'test',
    });
    return { id: row.id, secret, caller: callerFor(row, undefined) };
  };
  const token = await addToken();
  return {
    control,
    directory,
    token,
    addToken,
    addEnvironment: async (name = 'Shop') => {
      const { ids } = await createEnvironment(control, token.caller, { name, kind: 'SANDBOX' });
      return ids.environmentId;
    },
    addEvents: async (environmentId, count) => {
      for (let from = 0; from < count; from += 100)
        await change(control, async ({ emit }) => {
          for (let number = from; number < Math.min(count, from + 100); number++)
            emit({
              environmentId,
              type: 'ENVIRONMENT_RENAMED',
              data: { name: `Shop ${number}` },
              message: `event ${number}`,
            });
        });
    },
    openReplica: () => open(database.url, directory, settings),
    close: async () => {
      await close();
      await database.drop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function open(
  url: string,
  directory: string,
  settings: Partial<ControlSettings>,
): Promise<{ control: Control; close(): Promise<void> }> {
  const store = openStore(url);
  const nudges = await openNudges(store);
  const log = openEventLog(store, nudges);
  const results = openResultLog(store, nudges);
  const control: Control = {
    store,
    nudges,
    log,
    results,
    vault: await openVault(join(directory, 'key'), true),
    installation: await ensureInstallation(store),
    settings: {
      deadlineSeconds: 600,
      volumeRetentionSeconds: 60,
      publicUrl: 'http://localhost',
      domain: 'localhost',
      included: [],
      ...settings,
    },
    output: async function* () {},
    engine: async () => ({ version: '0', operatingSystem: 'none' }),
  };
  return {
    control,
    close: async () => {
      log.close();
      results.close();
      await nudges.close();
      await store.close();
    },
  };
}
