// Checks that are not made at present, because their service's jobs are not to run: what is known of them no longer holds.
import type { Change } from '../postgres/change.ts';
import { type CheckRow, forgetStates } from '../postgres/checks.ts';
import { waitForEnvironment } from '../postgres/environments.ts';
import { resolveIncidents } from '../postgres/incidents.ts';
import { tellResolved } from '../postgres/record-results.ts';

export async function leaveUnchecked(
  change: Change,
  environmentId: string,
  checks: readonly CheckRow[],
): Promise<void> {
  const known = new Map(checks.filter(({ state }) => state !== 'PENDING').map((check) => [check.id, check]));
  if (known.size === 0) return;
  await waitForEnvironment(change.tx, environmentId);
  await forgetStates(change.tx, [...known.keys()]);
  for (const incident of await resolveIncidents(change.tx, [...known.keys()], 'NOT_CHECKED', undefined)) {
    const check = known.get(incident.checkId);
    if (check !== undefined) tellResolved(change, check, incident);
  }
}
