// The health shown for a service and an environment, computed from jobs and checks by one rule, so that no two views can
// disagree.

export const healths = ['NOT_DEPLOYED', 'STOPPED', 'DEPLOYING', 'HEALTHY', 'DEGRADED', 'FAILING'] as const;
export type Health = (typeof healths)[number];

export interface ServiceFacts {
  readonly stopped: boolean;
  readonly failing: boolean;
  readonly redeploying: boolean;
  /** Deploy and worker jobs that the running spec wants; null before the first redeploy that succeeded. */
  readonly wanted: number | null;
  readonly healthy: number;
  /** Checks in a hard state other than OK. */
  readonly failingChecks: number;
}

export function serviceHealth(facts: ServiceFacts): Health {
  if (facts.redeploying) return 'DEPLOYING';
  if (facts.failing) return 'FAILING';
  if (facts.stopped) return 'STOPPED';
  if (facts.wanted === null) return 'NOT_DEPLOYED';
  if (facts.wanted === 0) return 'STOPPED';
  if (facts.healthy >= facts.wanted) return facts.failingChecks > 0 ? 'DEGRADED' : 'HEALTHY';
  return facts.healthy === 0 ? 'FAILING' : 'DEGRADED';
}

/** The worst that needs a person first; an environment without anything deployed is NOT_DEPLOYED. */
export function environmentHealth(services: readonly Health[]): Health {
  if (services.includes('FAILING')) return services.includes('HEALTHY') ? 'DEGRADED' : 'FAILING';
  if (services.includes('DEGRADED')) return 'DEGRADED';
  if (services.includes('DEPLOYING')) return 'DEPLOYING';
  if (services.includes('HEALTHY')) return 'HEALTHY';
  return services.includes('STOPPED') ? 'STOPPED' : 'NOT_DEPLOYED';
}
