// How the tests run. The conditions make graphql load once (it would come twice, as CommonJS and as module, and refuse
// itself); forks, because tests kill and time processes. The machines this runs on have two cores: what computes runs two at a
// time, what waits more than it computes after it, three at a time.
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './longest-first.ts';

const computing = ['simulation/*', 'orchestrator/crash', 'orchestrator/engine-faults'].map(
  (name) => `test/${name}.test.ts`,
);
const shared = {
  root: new URL('..', import.meta.url).pathname,
  ssr: { resolve: { conditions: ['node', 'module-sync', 'import'] } },
};
const patience = {
  pool: 'forks',
  testTimeout: 30_000,
  hookTimeout: 30_000,
  teardownTimeout: 30_000,
  env: { BERTH_LOG_LEVEL: process.env.BERTH_LOG_LEVEL ?? 'silent' },
} as const;

export default defineConfig({
  ...shared,
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    sequence: { sequencer: LongestFirst },
    reporters: ['default'],
    projects: [
      {
        ...shared,
        test: {
          ...patience,
          name: 'computing',
          include: computing,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        ...shared,
        test: {
          ...patience,
          name: 'waiting',
          include: ['test/**/*.test.ts'],
          exclude: computing,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
