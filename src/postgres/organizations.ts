// The installation's own rows: its id, the first organization and the first pod, made once.
import { randomUUID } from 'node:crypto';
import { eq, inArray } from 'drizzle-orm';
import type { Reader, Store } from './open.ts';
import { installation, organizations, pods } from './tables/organizations.ts';
import { secrets } from './tables/secrets.ts';
import { webhookSecrets } from './tables/webhooks.ts';

export type PodRow = typeof pods.$inferSelect;
export type OrganizationRow = typeof organizations.$inferSelect;

export interface Installation {
  readonly id: string;
  readonly organizationId: string;
  readonly podId: string;
}

/** Idempotent and safe among replicas that start at once. */
export async function ensureInstallation(store: Store): Promise<Installation> {
  const fresh = {
    installation: randomUUID(),
    organization: randomUUID(),
    pod: randomUUID(),
  };
  await store.db.transaction(async (tx) => {
    const made = await tx
      .insert(installation)
      .values(Object.entries(fresh).map(([name, value]) => ({ name, value })))
      .onConflictDoNothing()
      .returning();
    if (made.length === 0) return;
    await tx.insert(organizations).values({ id: fresh.organization, name: 'Default' });
    await tx.insert(pods).values({ id: fresh.pod, name: 'local', kind: 'DOCKER' });
  });
  const facts = new Map((await store.db.select().from(installation)).map((row) => [row.name, row.value]));
  const fact = (name: string) => facts.get(name) ?? '';
  return { id: fact('installation'), organizationId: fact('organization'), podId: fact('pod') };
}

export function listPodsById(reader: Reader, ids: readonly string[]): Promise<PodRow[]> {
  return reader
    .select()
    .from(pods)
    .where(inArray(pods.id, [...ids]));
}

export async function findOrganization(reader: Reader, id: string): Promise<OrganizationRow | undefined> {
  const [row] = await reader.select().from(organizations).where(eq(organizations.id, id));
  return row;
}

/** Whether anything was ever encrypted: then a missing key file is a loss, not a first start. */
export async function hasSecrets(reader: Reader): Promise<boolean> {
  const rows = await reader.select({ id: secrets.id }).from(secrets).limit(1);
  const others = await reader.select({ id: webhookSecrets.id }).from(webhookSecrets).limit(1);
  return rows.length + others.length > 0;
}
