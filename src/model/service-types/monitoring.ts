// The monitoring service: our own agent in a container, included in every environment that isn't a sandbox. It runs the
// checks and keeps their results on its volume until they were taken.
export const monitoring = {
  runtime: 'BERTH_MONITORING',
  title: 'Berth monitoring',
  version: '1',
  image: 'berth/monitoring',
  label: 'monitoring',
  size: { memoryMiB: 192, cpuMillis: 500, storageGiB: 1 },
} as const;
