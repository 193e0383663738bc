// How the tests run. The conditions make graphql load once (it would come twice, as CommonJS and as module, and refuse
// itself); forks, because tests kill and time processes; two at a time, because the machines this runs on have two cores.
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './longest-first.ts';

export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  ssr: { resolve: { conditions: ['node', 'module-sync', 'import'] } },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 30_000,
    env: { BERTH_LOG_LEVEL: process.env.BERTH_LOG_LEVEL ?? 'silent' },
    reporters: ['default'],
  },
});
