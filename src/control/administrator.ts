// The first token: made once, when there is none at all, and kept for the person who installed Berth.
import { chmod, rename, writeFile } from 'node:fs/promises';
import { newId } from '../ids.ts';
import { scopes } from '../model/callers.ts';
import { hasTokens, insertToken } from '../postgres/tokens.ts';
import type { Control } from './control.ts';
import { hashToken, makeToken } from './tokens.ts';

/** The token, the one time it is made. The file is complete before the database knows the token. */
export async function ensureAdministrator(control: Control, file: string): Promise<string | undefined> {
  const { store, installation } = control;
  if (await hasTokens(store.db)) return undefined;
  const secret = makeToken();
  await writeFile(`${file}.new`, `${secret}\n`, { mode: 0o600 });
  await chmod(`${file}.new`, 0o600);
  await rename(`${file}.new`, file);
  await insertToken(store.db, {
    id: newId(),
    organizationId: installation.organizationId,
    name: 'administrator',
    hash: hashToken(secret),
    scopes: [...scopes],
    operator: true,
    createdBy: 'Berth',
  });
  return secret;
}
