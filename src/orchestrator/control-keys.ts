// What proxies and control plane know each other by: the installation's own authority, made once, a client key of the
// control plane, and for every proxy's job a key of its own.
import { type Authority, issue, makeAuthority } from '../certificates/authority.ts';
import type { KeyedChain } from '../model/certificates.ts';
import { readClock, type Store } from '../postgres/open.ts';
import { ensureSecretFact } from '../postgres/secret-facts.ts';
import type { Vault } from '../postgres/vault.ts';

export interface ControlKeys {
  readonly authority: Authority;
  readonly client: KeyedChain;
}

/** Longer than any container lives; the authority ends first and is then to be made anew. */
const keyDays = 3_600;

export async function openControlKeys(store: Store, vault: Vault): Promise<ControlKeys> {
  const text = await ensureSecretFact(store, vault, 'control keys', async () => {
    const now = await readClock(store.db);
    const authority = await makeAuthority(now);
    const client = await issue(authority, {
      commonName: 'control plane',
      usage: 'CLIENT',
      now,
      days: keyDays,
    });
    return JSON.stringify({ authority, client } satisfies ControlKeys);
  });
  return JSON.parse(text) as ControlKeys;
}

/** Certificate and key that the proxy of this name shows, as one PEM text. */
export async function issueServerKey({ authority }: ControlKeys, name: string, now: Date): Promise<string> {
  const request = { commonName: name, hosts: [name], usage: 'SERVER', now, days: keyDays } as const;
  const { chain, privateKey } = await issue(authority, request);
  return `${chain}${privateKey}`;
}
