// When a check makes an incident, and when the incident is over. Maintenance, flapping, a pause and what a check depends on
// raise no alert; what they hide and is still so afterwards is raised then.
import type { CheckMemory } from './check-state.ts';

export interface Around {
  /** A redeploy of its service, or a planned window, was under way as the result was made. */
  readonly maintenance: boolean;
  /** What it depends on has an open incident of its own, and one as grave. */
  readonly shadowed: boolean;
  /** It has an open incident. */
  readonly open: boolean;
}

export type IncidentStep = 'OPEN' | 'RESOLVE' | 'NONE';

export function incidentStep({ state, hard, flapping }: CheckMemory, around: Around): IncidentStep {
  if (around.open) return state === 'OK' && !flapping ? 'RESOLVE' : 'NONE';
  const bad = hard && state !== 'OK' && state !== 'PENDING';
  return bad && !flapping && !around.maintenance && !around.shadowed ? 'OPEN' : 'NONE';
}

/** What is seen at one moment is taken in such an order that an incident which says it all is there before others are judged. */
export function dependedOnFirst<T extends { readonly id: string; readonly dependsOn: readonly string[] }>(
  checks: readonly T[],
): T[] {
  const byId = new Map(checks.map((each) => [each.id, each]));
  const visited = new Set<T>();
  const ordered: T[] = [];
  const visit = (each: T) => {
    if (visited.has(each)) return;
    visited.add(each);
    for (const other of each.dependsOn.flatMap((id) => byId.get(id) ?? [])) visit(other);
    ordered.push(each);
  };
  for (const each of checks) visit(each);
  return ordered;
}
