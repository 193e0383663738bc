// What a type of check tells of itself whose facts the control plane has, by the engine's eye. One file per type beside this
// one, one line in the registry (index.ts). It judges plain facts; how they are had is no concern of it.
import type { JobHealth, JobState, JobView } from '../../model/jobs.ts';
import type { Observation } from '../../model/monitoring/observations.ts';
import type { WantedJobs } from '../../model/redeploy.ts';
import type { CheckType } from '../check-type.ts';

/** What costs a question to the engine or the database beyond the service and its living jobs. */
export type PlatformNeed = 'MEMORY' | 'VOLUME' | 'CERTIFICATES' | 'COMMAND';

export interface PlatformCheckType<Settings extends object = Readonly<Record<string, unknown>>>
  extends Omit<CheckType<Settings>, 'look'> {
  readonly needs: readonly PlatformNeed[];
  /** Numbers are judged by thresholds afterwards. */
  judge(facts: ServiceFacts, settings: Settings): Observation;
}

/** A living deploy or worker job. */
export interface JobFacts {
  readonly id: string;
  readonly type: JobView['type'];
  readonly target: string | null;
  readonly state: JobState;
  readonly health: JobHealth | null;
  /** Undefined: not asked for, or nothing runs. */
  readonly memory?: { readonly usedBytes: number; readonly limitBytes: number } | undefined;
}

/** One that ended without having been asked to. */
export interface Death {
  readonly type: JobView['type'];
  readonly target: string | null;
  readonly reason: string | null;
  readonly secondsAgo: number;
}

export interface ServiceFacts {
  readonly stopped: boolean;
  /** It was given up to mend some of its jobs. */
  readonly failing: boolean;
  /** Of what runs; null before the first redeploy that succeeded. */
  readonly wanted: readonly WantedJobs[] | null;
  /** In the order of their ids, which is that of their making. */
  readonly jobs: readonly JobFacts[];
  /** Of the last hour and of what runs, newest first. */
  readonly deaths: readonly Death[];
  /** Since somebody asked for a new try; undefined: nobody has. */
  readonly triedSecondsAgo: number | undefined;
  /** Undefined: it has none, or it is not there. */
  readonly volumeBytes: number | undefined;
  readonly storageGiB: number | null;
  /** That the sites of the environment are served with. */
  readonly certificates: readonly CertificateFacts[];
  readonly command: CommandFacts | undefined;
}

export interface CertificateFacts {
  readonly name: string;
  /** Negative: it has expired. */
  readonly secondsLeft: number;
  readonly lifeSeconds: number;
}

/** How a command ended, or why nothing is known of it. */
export type CommandFacts =
  | { readonly exitCode: number; readonly text: string }
  | { readonly unknown: string };

/** What jobs of a kind are called. */
export function kindOf({ type, target }: { readonly type: string; readonly target: string | null }): string {
  return type === 'DEPLOY' ? 'web' : (target ?? type.toLowerCase());
}
