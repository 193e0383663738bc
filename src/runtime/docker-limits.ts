// How a share of CPU is told to Docker Engine, for containers and builds alike.

const periodMicroseconds = 100_000;

/** As a quota per period and not as NanoCpus, which the engine refuses when it is more than the machine has. */
export function cpuLimits(cpuMillis: number): { cpuPeriod: number; cpuQuota: number } {
  const quota = Math.round((cpuMillis * periodMicroseconds) / 1000);
  return { cpuPeriod: periodMicroseconds, cpuQuota: Math.max(quota, 1000) };
}
