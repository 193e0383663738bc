// The configurable check that lets a job into rotation and takes it out again. It is made from outside the container.
import { InvalidInput } from '../errors.ts';
import { checkRange } from './rules.ts';

export interface HealthCheck {
  readonly kind: 'HTTP' | 'TCP';
  readonly port: number;
  /** HTTP: the path asked for, with its query; null for TCP. */
  readonly path: string | null;
  /** HTTP: a status within counts as healthy, both ends included; null for TCP. */
  readonly expectedStatus: { readonly from: number; readonly to: number } | null;
  readonly intervalSeconds: number;
  readonly timeoutSeconds: number;
  /** Successes in a row until an unhealthy job counts as healthy again; the first one after a start is enough. */
  readonly healthyThreshold: number;
  /** Failures in a row until a healthy job leaves rotation. */
  readonly unhealthyThreshold: number;
  /** How long a started job may take to become healthy; null: the installation's standard. */
  readonly deadlineSeconds: number | null;
}

export const healthCheckLimits = {
  intervalSeconds: { standard: 5, minimum: 1, maximum: 300 },
  timeoutSeconds: { standard: 2, minimum: 1, maximum: 60 },
  healthyThreshold: { standard: 2, minimum: 1, maximum: 10 },
  unhealthyThreshold: { standard: 3, minimum: 1, maximum: 10 },
  deadlineSeconds: { minimum: 1, maximum: 3600 },
  port: { standard: 8080, minimum: 1, maximum: 65_535 },
  pathLength: 1024,
} as const;

/** What a caller may give; what is absent keeps its present or standard value. */
export type HealthCheckInput = { readonly [K in keyof HealthCheck]?: HealthCheck[K] | null | undefined };

const pathText = /^\/[\x21-\x7e]*$/;

export function checkHealthCheck(
  given: HealthCheckInput,
  before: HealthCheck | null,
  path: readonly string[],
): HealthCheck {
  const kind = given.kind ?? before?.kind ?? 'HTTP';
  const number = (
    name: 'intervalSeconds' | 'timeoutSeconds' | 'healthyThreshold' | 'unhealthyThreshold' | 'port',
  ) => {
    const { standard, minimum, maximum } = healthCheckLimits[name];
    return checkRange(given[name] ?? before?.[name] ?? standard, minimum, maximum, [...path, name]);
  };
  const chosen: HealthCheck = {
    kind,
    port: number('port'),
    ...(kind === 'HTTP' ? httpPart(given, before, path) : { path: null, expectedStatus: null }),
    intervalSeconds: number('intervalSeconds'),
    timeoutSeconds: number('timeoutSeconds'),
    healthyThreshold: number('healthyThreshold'),
    unhealthyThreshold: number('unhealthyThreshold'),
    deadlineSeconds: deadlineOf(given, before, path),
  };
  if (kind === 'TCP' && (given.path != null || given.expectedStatus != null))
    throw new InvalidInput(
      [...path, given.path != null ? 'path' : 'expectedStatus'],
      'is for HTTP checks only.',
    );
  return chosen;
}

function httpPart(given: HealthCheckInput, before: HealthCheck | null, path: readonly string[]) {
  const asked = given.path ?? before?.path ?? '/';
  if (asked.length > healthCheckLimits.pathLength || !pathText.test(asked))
    throw new InvalidInput(
      [...path, 'path'],
      `must begin with / and be at most ${healthCheckLimits.pathLength} visible ASCII characters.`,
    );
  const { from, to } = given.expectedStatus ?? before?.expectedStatus ?? { from: 200, to: 399 };
  checkRange(from, 100, 599, [...path, 'expectedStatus', 'from']);
  checkRange(to, from, 599, [...path, 'expectedStatus', 'to']);
  return { path: asked, expectedStatus: { from, to } };
}

function deadlineOf(
  given: HealthCheckInput,
  before: HealthCheck | null,
  path: readonly string[],
): number | null {
  const asked =
    given.deadlineSeconds === undefined ? (before?.deadlineSeconds ?? null) : given.deadlineSeconds;
  if (asked === null) return null;
  const { minimum, maximum } = healthCheckLimits.deadlineSeconds;
  return checkRange(asked, minimum, maximum, [...path, 'deadlineSeconds'], 'seconds');
}
