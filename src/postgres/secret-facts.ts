// Secrets of the installation itself, each made once and kept encrypted beside its other facts: the keys of the proxies'
// control channel, the account key at a certificate authority.
import { eq } from 'drizzle-orm';
import type { Store } from './open.ts';
import { installation } from './tables/organizations.ts';
import type { Vault } from './vault.ts';

export type SecretFact = 'control keys' | 'authority account key';

function bindingOf(name: SecretFact) {
  return { organizationId: '', environmentId: '', serviceId: '', name, secretId: '' };
}

/** What `make` answers with is kept unless another replica was quicker; everybody gets the same. */
export async function ensureSecretFact(
  store: Store,
  vault: Vault,
  name: SecretFact,
  make: () => Promise<string>,
): Promise<string> {
  const found = await read(store, vault, name);
  if (found !== undefined) return found;
  const { keyId, wrappedKey, sealed } = vault.seal(bindingOf(name), await make());
  const value = JSON.stringify([keyId, wrappedKey.toString('base64'), sealed.toString('base64')]);
  await store.db.insert(installation).values({ name, value }).onConflictDoNothing();
  const kept = await read(store, vault, name);
  if (kept === undefined) throw new Error(`not kept: ${name}`);
  return kept;
}

async function read(store: Store, vault: Vault, name: SecretFact): Promise<string | undefined> {
  const [row] = await store.db.select().from(installation).where(eq(installation.name, name));
  if (row === undefined) return undefined;
  const [keyId, wrappedKey, sealed] = JSON.parse(row.value) as [string, string, string];
  return vault.open(bindingOf(name), {
    keyId,
    wrappedKey: Buffer.from(wrappedKey, 'base64'),
    sealed: Buffer.from(sealed, 'base64'),
  });
}
