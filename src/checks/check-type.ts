// What a type of check tells of itself. One file per type beside this one, one line in the registry (index.ts). A type knows
// its target and how to look at it; when it runs, what its states mean and who is told is no concern of it.
import type { z } from 'zod';
import type { CheckTarget } from '../model/monitoring/agent.ts';
import type { Observation, Threshold } from '../model/monitoring/observations.ts';

export interface CheckType<Settings extends object = Readonly<Record<string, unknown>>> {
  /** GraphQL enum value, for example POSTGRESQL. */
  readonly type: string;
  readonly title: string;
  /** One sentence on what it looks at, for the catalogue. */
  readonly description: string;
  /** Numbers that it measures and how they are judged unless the check says otherwise; none: never by themselves. */
  readonly thresholds: readonly Threshold[];
  readonly standard: { readonly intervalSeconds: number; readonly timeoutSeconds: number };
  /** Fills in what isn't given; used through checkSettings. */
  readonly schema: z.ZodType<Settings>;
  /** The settings of a check that gives none. */
  readonly settings: Settings;
  /**
   * One look. Answers in every case: what it can't reach is CRITICAL with the reason, what it can't tell UNKNOWN. Ends soon
   * after the signal fires, which says that the time is up, and leaves nothing open. Shows no credential of itself; what a
   * server throws back of one is taken out by runCheck.
   */
  look(target: CheckTarget, settings: Settings, signal: AbortSignal): Promise<Observation>;
}
