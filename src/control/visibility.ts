// Which environments a caller sees. What belongs to an environment is seen with it, and by its organization alone; an
// environment never changes its organization, so that it is remembered whose it is.
import { type Caller, type Place, sees } from '../model/callers.ts';
import { listEnvironmentsById } from '../postgres/environments.ts';
import type { Store } from '../postgres/open.ts';
import type { Control } from './control.ts';

const owners = new WeakMap<Store, Map<string, string>>();
const mostRemembered = 10_000;

/** Of these environments, those that the caller sees. */
export async function visibleEnvironments(
  control: Control,
  caller: Caller | undefined,
  ids: Iterable<string>,
): Promise<Set<string>> {
  if (caller === undefined) return new Set();
  const places = await placesOf(control, new Set(ids));
  return new Set(places.flatMap((place) => (sees(caller, place) ? [place.environmentId] : [])));
}

/** Undefined where there is no such environment. */
export async function placeOf(control: Control, environmentId: string): Promise<Place | undefined> {
  return (await placesOf(control, new Set([environmentId])))[0];
}

async function placesOf({ store }: Control, ids: ReadonlySet<string>) {
  const known = owners.get(store) ?? new Map<string, string>();
  if (known.size > mostRemembered) known.clear();
  owners.set(store, known);
  const unknown = [...ids].filter((id) => !known.has(id));
  for (const row of unknown.length === 0 ? [] : await listEnvironmentsById(store.db, unknown))
    known.set(row.id, row.organizationId);
  return [...ids].flatMap((environmentId) => {
    const organizationId = known.get(environmentId);
    return organizationId === undefined ? [] : [{ organizationId, environmentId }];
  });
}
