// The configurable check that lets a job into rotation and takes it out again. It is made from outside the container.

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
