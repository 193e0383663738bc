// What the loops have of the world beside engine and database: time, answers of jobs and proxies, and keys. Given to them, so
// that a simulation can have a world of its own.
import { probeHealth } from '../checks/health.ts';
import { type Clock, realClock } from '../clock.ts';
import { openRuntimeApi } from '../proxy/runtime-api.ts';
import { issueServerKey } from './control-keys.ts';

export interface Outside {
  readonly clock: Clock;
  readonly probeHealth: typeof probeHealth;
  readonly openRuntimeApi: typeof openRuntimeApi;
  readonly issueServerKey: typeof issueServerKey;
}

export const realWorld: Outside = { clock: realClock, probeHealth, openRuntimeApi, issueServerKey };
