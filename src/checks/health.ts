// One look at whether a job is healthy, by the check that is configured for it or the standard one of what it runs.
import type { HealthCheck } from '../model/health-check.ts';
import { monitoringAgent } from '../model/monitoring/agent.ts';
import { webPort } from '../model/service-types/code.ts';
import { findEngineKind } from '../model/service-types/index.ts';
import { monitoring } from '../model/service-types/monitoring.ts';
import { serviceProxy } from '../model/service-types/service-proxy.ts';
import { probeHttp } from './http.ts';
import { type ProbeResult, probe } from './probe.ts';

export interface HealthTarget {
  readonly address: string;
  /** What a database, cache or proxy runs; null for code. */
  readonly runtime: string | null;
  readonly check: HealthCheck | null;
}

export function probeHealth(
  { address, runtime, check }: HealthTarget,
  timeoutMs: number,
): Promise<ProbeResult> {
  if (check?.kind === 'HTTP' && check.path !== null && check.expectedStatus !== null)
    return probeHttp(
      address,
      { ...check, path: check.path, expectedStatus: check.expectedStatus },
      timeoutMs,
    );
  return probe(address, portOf(runtime, check), timeoutMs);
}

function portOf(runtime: string | null, check: HealthCheck | null) {
  if (check !== null) return { port: check.port, handshake: undefined };
  if (runtime === serviceProxy.runtime) return { port: serviceProxy.ports.http, handshake: undefined };
  if (runtime === monitoring.runtime) return { port: monitoringAgent.port, handshake: undefined };
  const kind = findEngineKind(runtime);
  return kind === undefined
    ? { port: webPort, handshake: undefined }
    : { port: kind.port, handshake: kind.handshake };
}
