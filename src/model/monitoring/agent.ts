// What the control plane and the monitoring service's container say to each other. The control plane always connects, by
// HTTPS with mutual TLS, and gives `Configuration`; the container makes results on its own and keeps each until it was taken.
//
//   PUT  /configuration                  a Configuration; answers { revision } once it is kept
//                                        (409 with the kept revision when that is a later one)
//   GET  /results?epoch=E&after=N&limit=L&wait=M
//                                        Taken: results after N of the store E, oldest first, at most L; waits up to M ms
//                                        for the first. What is not after N is forgotten: it was taken. Without epoch and
//                                        after, or with the epoch of a store that is lost, it begins with the oldest kept
//                                        one and nothing is forgotten: the numbers of a new store are others.
//   POST /runs                           { checkId }: runs it now, or as soon as its present run is over, besides its
//                                        interval; its result comes with the others
//   GET  /status                         AgentStatus
//
// Everything else is refused with 4xx and { error: a sentence }; nobody without a client's certificate is answered at all.
import type { Observation, Threshold } from './observations.ts';

export const monitoringAgent = {
  port: 9443,
  /** Where its store and configuration lie: a volume. */
  dataPath: '/var/lib/berth',
  longestWaitMs: 25_000,
  mostResults: 1_000,
  /** Results kept while nobody takes them; beyond it the oldest go, and their numbers are missing. */
  keptResults: 200_000,
  mostChecks: 10_000,
  /** PEM files, put into the volume before the container starts: its certificate and key, and who issues clients' ones. */
  files: { server: '/var/lib/berth/control/server.pem', authority: '/var/lib/berth/control/authority.pem' },
  /** What its image runs as, and whom these files belong to. */
  userId: 1000,
} as const;

export interface Configuration {
  /** Grows with every change. */
  readonly revision: number;
  readonly checks: readonly ConfiguredCheck[];
}

export interface ConfiguredCheck {
  readonly id: string;
  /** Key of the registry in src/checks/index.ts. */
  readonly type: string;
  readonly target: CheckTarget;
  /** As the check's type understands them; checked by the control plane before. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly thresholds: readonly Threshold[];
  readonly intervalSeconds: number;
  readonly timeoutSeconds: number;
}

export interface CheckTarget {
  /** Name or address within the environment's network. */
  readonly host: string;
  readonly port: number;
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
}

export interface MadeResult extends Observation {
  /** Without a hole, from 1, for as long as the store lives. */
  readonly seq: number;
  readonly checkId: string;
  /** RFC 3339 with milliseconds. */
  readonly startedAt: string;
  readonly durationMs: number;
}

export interface Taken {
  /** Of the store: another one when it was lost and begun anew. */
  readonly epoch: string;
  readonly results: readonly MadeResult[];
  readonly lastSeq: number;
}

export interface AgentStatus {
  readonly epoch: string;
  readonly lastSeq: number;
  readonly revision: number;
  readonly checks: number;
  readonly startedAt: string;
}
