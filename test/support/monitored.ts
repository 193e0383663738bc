// Checks of a world's services as tests look at them: by name, with their results and incidents in order.
import { asc, eq } from 'drizzle-orm';
import { type CheckRow, listChecksOf } from '../../src/postgres/checks.ts';
import { checkResults, incidents } from '../../src/postgres/tables/checks.ts';
import type { World } from './world.ts';

export async function checkOf(
  { control }: World,
  environmentId: string,
  serviceId: string,
  name: string,
): Promise<CheckRow> {
  const all = await listChecksOf(control.store.db, environmentId);
  const found = all.find((each) => each.serviceId === serviceId && each.name === name);
  if (found === undefined) throw new Error(`no check ${name}`);
  return found;
}

export function resultsOf({ control }: World, checkId: string) {
  const { db } = control.store;
  return db
    .select()
    .from(checkResults)
    .where(eq(checkResults.checkId, checkId))
    .orderBy(asc(checkResults.seq));
}

/** Of a check or of a whole service. */
export function incidentsOf(
  { control }: World,
  of: { readonly checkId: string } | { readonly serviceId: string },
) {
  const which = 'checkId' in of ? eq(incidents.checkId, of.checkId) : eq(incidents.serviceId, of.serviceId);
  return control.store.db.select().from(incidents).where(which).orderBy(asc(incidents.id));
}
