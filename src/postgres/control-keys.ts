// The installation's own authority and client key, by which the control plane and the proxies' control channel know each
// other. Made once, kept encrypted beside the installation's other facts.
import { eq } from 'drizzle-orm';
import type { Store } from './open.ts';
import { installation } from './tables/organizations.ts';
import type { Vault } from './vault.ts';

const factName = 'control keys';
const binding = { organizationId: '', environmentId: '', serviceId: '', name: factName, secretId: '' };

/** What `make` answers with is kept unless another replica was quicker; everybody gets the same. */
export async function ensureSecretFact(
  store: Store,
  vault: Vault,
  make: () => Promise<string>,
): Promise<string> {
  const found = await read(store, vault);
  if (found !== undefined) return found;
  const { keyId, wrappedKey, sealed } = vault.seal(binding, await make());
  const value = JSON.stringify([keyId, wrappedKey.toString('base64'), sealed.toString('base64')]);
  await store.db.insert(installation).values({ name: factName, value }).onConflictDoNothing();
  const kept = await read(store, vault);
  if (kept === undefined) throw new Error('the control keys were not kept');
  return kept;
}

async function read(store: Store, vault: Vault): Promise<string | undefined> {
  const [row] = await store.db.select().from(installation).where(eq(installation.name, factName));
  if (row === undefined) return undefined;
  const [keyId, wrappedKey, sealed] = JSON.parse(row.value) as [string, string, string];
  return vault.open(binding, {
    keyId,
    wrappedKey: Buffer.from(wrappedKey, 'base64'),
    sealed: Buffer.from(sealed, 'base64'),
  });
}
