// When a check makes an incident, and when the incident is over. Maintenance, flapping, a pause and what a check depends on
// raise no alert; what they hide and is still so afterwards is raised then.
import type { CheckMemory } from './check-state.ts';

export interface Around {
  /** A redeploy of its service, or a planned window, was under way as the result was made. */
  readonly maintenance: boolean;
  /** What it depends on has an open incident of its own. */
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
