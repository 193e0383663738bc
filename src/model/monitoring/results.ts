// Results of checks as they are kept: by whom they were made, and for how long they stay.
import type { Observation } from './observations.ts';

/** The environment's monitoring service, or the control plane with the engine's eye. */
export const resultSources = ['MONITOR', 'CONTROL_PLANE'] as const;
export type ResultSource = (typeof resultSources)[number];

export interface NewResult extends Observation {
  readonly checkId: string;
  readonly startedAt: Date;
  readonly durationMs: number;
  readonly source: ResultSource;
}

/** History kept: at least so long and at least so many results an environment. */
export const resultRetention = { days: 14, results: 100_000 } as const;

export const checkLimits = {
  perEnvironment: 1_000,
  /** Of all checks of an environment together: what its monitor is told, and how often it looks. */
  settingsBytes: 4 * 1024 * 1024,
  runsPerSecond: 50,
  intervalSeconds: { minimum: 1, maximum: 86_400 },
  /** Of those that the control plane makes: it looks for what is due this often. */
  platformIntervalSeconds: { minimum: 5, maximum: 86_400 },
  timeoutSeconds: { minimum: 1, maximum: 600 },
  attempts: { minimum: 1, maximum: 20, standard: 3 },
} as const;
