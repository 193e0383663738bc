// Rotation: which jobs a service proxy sends requests to, and which services are in maintenance. Unlike sites it takes
// effect at once. Wanted stands in the jobs' rows; what a proxy was last seen to have is kept with the proxy's job.

export const rotations = ['OUT', 'IN', 'DRAINING'] as const;
export type Rotation = (typeof rotations)[number];

/** One job as a server: READY takes new requests, DRAIN only finishes what it has begun. */
export interface RotationServer {
  readonly jobId: string;
  readonly address: string;
  readonly port: number;
  readonly state: 'READY' | 'DRAIN';
}

export interface ServiceRotation {
  readonly serviceId: string;
  /** The proxy answers 503 with a page although jobs run. */
  readonly maintenance: boolean;
  /** Sorted by job id. */
  readonly servers: readonly RotationServer[];
}

/** Everything of a proxy that changes without its redeploy. Services sorted by id. */
export interface ProxyRotation {
  readonly services: readonly ServiceRotation[];
  /** ACME HTTP-01: token → key authorization. */
  readonly challenges: Readonly<Record<string, string>>;
}
