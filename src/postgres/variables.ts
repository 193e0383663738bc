// Rows of variables and of the secrets that hold their values.
import { and, asc, eq, inArray, sql } from 'drizzle-orm';
import type { VariableRef, VariableSource } from '../model/spec.ts';
import type { Reader, Transaction } from './open.ts';
import { environments } from './tables/environments.ts';
import { secrets, variables } from './tables/secrets.ts';
import { services } from './tables/services.ts';
import { certificates } from './tables/sites.ts';
import type { Vault } from './vault.ts';

export type VariableRow = typeof variables.$inferSelect;

export interface VariableHome {
  readonly organizationId: string;
  readonly environmentId: string;
  readonly serviceId: string;
}

export interface NewVariable {
  readonly name: string;
  readonly value: string;
  readonly source: VariableSource;
  readonly secretId: string;
}

/** Writes those whose value differs from what stands; answers with their names. */
export async function saveVariables(
  tx: Transaction,
  vault: Vault,
  home: VariableHome,
  items: readonly NewVariable[],
  updatedBy: string,
): Promise<string[]> {
  const { serviceId } = home;
  const present = await listVariables(tx, [serviceId]);
  const digests = new Map((present.get(serviceId) ?? []).map((row) => [row.name, row.digest]));
  const fresh = items
    .map((item) => ({ ...item, digest: vault.digest(`${serviceId}\0${item.name}`, item.value) }))
    .filter((item) => digests.get(item.name) !== item.digest);
  if (fresh.length === 0) return [];
  await tx.insert(secrets).values(
    fresh.map(({ name, value, secretId }) => ({
      id: secretId,
      serviceId,
      name,
      ...vault.seal({ ...home, name, secretId }, value),
    })),
  );
  await tx
    .insert(variables)
    .values(
      fresh.map(({ name, source, secretId, digest }) => ({
        serviceId,
        name,
        source,
        secretId,
        digest,
        updatedBy,
      })),
    )
    .onConflictDoUpdate({
      target: [variables.serviceId, variables.name],
      set: {
        source: sql`excluded.source`,
        secretId: sql`excluded.secret_id`,
        digest: sql`excluded.digest`,
        updatedBy: sql`excluded.updated_by`,
        updatedAt: sql`now()`,
      },
    });
  return fresh.map((item) => item.name);
}

/** A secret that no variable points at. */
export async function insertSecret(
  tx: Transaction,
  vault: Vault,
  home: VariableHome,
  { name, value, secretId }: Pick<NewVariable, 'name' | 'value' | 'secretId'>,
): Promise<void> {
  const sealed = vault.seal({ ...home, name, secretId }, value);
  await tx.insert(secrets).values({ id: secretId, serviceId: home.serviceId, name, ...sealed });
}

export async function removeVariables(
  tx: Transaction,
  serviceId: string,
  names: readonly string[],
): Promise<string[]> {
  if (names.length === 0) return [];
  const rows = await tx
    .delete(variables)
    .where(and(eq(variables.serviceId, serviceId), inArray(variables.name, [...names])))
    .returning({ name: variables.name });
  return rows.map((row) => row.name);
}

/** By service, in the order of names. */
export async function listVariables(
  reader: Reader,
  serviceIds: readonly string[],
): Promise<Map<string, VariableRow[]>> {
  const rows = await reader
    .select()
    .from(variables)
    .where(inArray(variables.serviceId, [...serviceIds]))
    .orderBy(asc(variables.serviceId), sql`${variables.name} collate "C"`);
  return Map.groupBy(rows, (row) => row.serviceId);
}

export function refsOf(rows: readonly VariableRow[]): Record<string, VariableRef> {
  return Object.fromEntries(
    rows.map(({ name, secretId, digest, source }) => [name, { secretId, digest, source }]),
  );
}

/** Values by secret id. The one place where stored values are opened. */
export async function openSecrets(
  reader: Reader,
  vault: Vault,
  secretIds: readonly string[],
): Promise<Map<string, string>> {
  if (secretIds.length === 0) return new Map();
  const rows = await reader
    .select({
      secret: secrets,
      environmentId: services.environmentId,
      organizationId: environments.organizationId,
    })
    .from(secrets)
    .innerJoin(services, eq(services.id, secrets.serviceId))
    .innerJoin(environments, eq(environments.id, services.environmentId))
    .where(inArray(secrets.id, [...secretIds]));
  return new Map(
    rows.map(({ secret, environmentId, organizationId }) => {
      const { id: secretId, serviceId, name } = secret;
      return [secretId, vault.open({ organizationId, environmentId, serviceId, name, secretId }, secret)];
    }),
  );
}

/** What a deleted service's values were can't be told any more. */
export async function deleteSecretsOf(tx: Transaction, serviceId: string): Promise<void> {
  await tx.delete(variables).where(eq(variables.serviceId, serviceId));
  const own = tx.select({ id: secrets.id }).from(secrets).where(eq(secrets.serviceId, serviceId));
  await tx
    .update(certificates)
    .set({ secretId: null, dueAt: null, deletedAt: sql`coalesce(${certificates.deletedAt}, now())` })
    .where(inArray(certificates.secretId, own));
  await tx.delete(secrets).where(eq(secrets.serviceId, serviceId));
}
