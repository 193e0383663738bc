// What can happen in an environment, as written to its event log. The log is the truth that every live view reads; an
// event is never changed. Events carry ids and facts of their moment, never a variable's value.
import type { FailureCause } from './failures.ts';
import type { JobHealth, JobState, JobType } from './jobs.ts';
import type { Resolution } from './monitoring/incidents.ts';
import type { CheckState, ObservedState } from './monitoring/observations.ts';
import type { PhaseName, RedeployReason, RedeployState } from './redeploy.ts';
import type { Rotation } from './rotation.ts';
import type { TicketKind, TicketState } from './tickets.ts';
import type { DisabledReason } from './webhooks.ts';

export interface EventData {
  ENVIRONMENT_CREATED: { readonly name: string };
  ENVIRONMENT_RENAMED: { readonly name: string };
  ENVIRONMENT_DELETION_REQUESTED: Record<never, never>;
  ENVIRONMENT_DELETED: Record<never, never>;
  SERVICE_CREATED: { readonly label: string; readonly type: string };
  SERVICE_UPDATED: { readonly fields: readonly string[] };
  SERVICE_STOPPED: Record<never, never>;
  SERVICE_FAILING: { readonly deaths: number };
  SERVICE_DELETION_REQUESTED: Record<never, never>;
  SERVICE_DELETED: Record<never, never>;
  VARIABLES_CHANGED: { readonly set: readonly string[]; readonly unset: readonly string[] };
  SITE_CREATED: { readonly host: string };
  SITE_UPDATED: { readonly host: string };
  SITE_DELETED: { readonly host: string };
  CERTIFICATE_ADDED: { readonly certificateId: string; readonly hosts: readonly string[] };
  CERTIFICATE_READY: { readonly certificateId: string; readonly notAfter: string };
  CERTIFICATE_FAILED: { readonly certificateId: string; readonly reason: string };
  CERTIFICATE_DELETED: { readonly certificateId: string };
  MAINTENANCE_CHANGED: { readonly enabled: boolean };
  ROTATION_CHANGED: { readonly rotation: Rotation; readonly proxies: number };
  TICKET_OPENED: { readonly ticketId: string; readonly kind: TicketKind };
  TICKET_RESOLVED: { readonly ticketId: string; readonly state: TicketState };
  CHECK_CREATED: { readonly checkId: string };
  CHECK_UPDATED: { readonly checkId: string; readonly fields: readonly string[] };
  CHECK_DELETED: { readonly checkId: string };
  CHECK_RUN_REQUESTED: { readonly checkId: string };
  /** Of what counts: soft states are seen in the results alone. */
  CHECK_STATE_CHANGED: {
    readonly checkId: string;
    readonly state: CheckState;
    readonly before: CheckState;
    readonly flapping: boolean;
  };
  INCIDENT_OPENED: { readonly incidentId: string; readonly checkId: string; readonly state: ObservedState };
  INCIDENT_ACKNOWLEDGED: { readonly incidentId: string; readonly checkId: string };
  INCIDENT_RESOLVED: {
    readonly incidentId: string;
    readonly checkId: string;
    readonly resolution: Resolution;
  };
  MAINTENANCE_PLANNED: { readonly windowId: string };
  MAINTENANCE_ENDED: { readonly windowId: string };
  WEBHOOK_CREATED: { readonly webhookId: string };
  WEBHOOK_UPDATED: { readonly webhookId: string };
  WEBHOOK_DELETED: { readonly webhookId: string };
  WEBHOOK_SECRET_ROTATED: { readonly webhookId: string };
  /** All after a place in the log, or one delivery alone. */
  WEBHOOK_REPLAYED: { readonly webhookId: string };
  WEBHOOK_DISABLED: { readonly webhookId: string; readonly reason: DisabledReason };
  JOB_STOP_REQUESTED: Record<never, never>;
  JOB_START_REQUESTED: Record<never, never>;
  TASK_REQUESTED: Record<never, never>;
  WORKERS_CHANGED: { readonly target: string; readonly count: number };
  CODE_PUSHED: { readonly commit: string; readonly subject: string };
  RELEASE_CREATED: { readonly releaseId: string; readonly commit: string };
  REDEPLOY_REQUESTED: { readonly reason: RedeployReason };
  REDEPLOY_CANCEL_REQUESTED: Record<never, never>;
  PHASE_STARTED: { readonly phase: PhaseName };
  PHASE_ENDED: { readonly phase: PhaseName; readonly succeeded: boolean };
  IMAGE_PROGRESS: { readonly text: string; readonly current: number | null; readonly total: number | null };
  JOB_CHANGED: {
    readonly type: JobType;
    readonly target: string | null;
    readonly state: JobState;
    readonly health: JobHealth | null;
    readonly exitCode: number | null;
  };
  REDEPLOY_ENDED: {
    readonly state: Exclude<RedeployState, 'QUEUED' | 'RUNNING'>;
    readonly cause: FailureCause | null;
  };
}

export type EventType = keyof EventData;

export const eventTypes = [
  'ENVIRONMENT_CREATED',
  'ENVIRONMENT_RENAMED',
  'ENVIRONMENT_DELETION_REQUESTED',
  'ENVIRONMENT_DELETED',
  'SERVICE_CREATED',
  'SERVICE_UPDATED',
  'SERVICE_STOPPED',
  'SERVICE_FAILING',
  'SERVICE_DELETION_REQUESTED',
  'SERVICE_DELETED',
  'VARIABLES_CHANGED',
  'SITE_CREATED',
  'SITE_UPDATED',
  'SITE_DELETED',
  'CERTIFICATE_ADDED',
  'CERTIFICATE_READY',
  'CERTIFICATE_FAILED',
  'CERTIFICATE_DELETED',
  'MAINTENANCE_CHANGED',
  'ROTATION_CHANGED',
  'TICKET_OPENED',
  'TICKET_RESOLVED',
  'CHECK_CREATED',
  'CHECK_UPDATED',
  'CHECK_DELETED',
  'CHECK_RUN_REQUESTED',
  'CHECK_STATE_CHANGED',
  'INCIDENT_OPENED',
  'INCIDENT_ACKNOWLEDGED',
  'INCIDENT_RESOLVED',
  'MAINTENANCE_PLANNED',
  'MAINTENANCE_ENDED',
  'WEBHOOK_CREATED',
  'WEBHOOK_UPDATED',
  'WEBHOOK_DELETED',
  'WEBHOOK_SECRET_ROTATED',
  'WEBHOOK_REPLAYED',
  'WEBHOOK_DISABLED',
  'JOB_STOP_REQUESTED',
  'JOB_START_REQUESTED',
  'TASK_REQUESTED',
  'WORKERS_CHANGED',
  'CODE_PUSHED',
  'RELEASE_CREATED',
  'REDEPLOY_REQUESTED',
  'REDEPLOY_CANCEL_REQUESTED',
  'PHASE_STARTED',
  'PHASE_ENDED',
  'IMAGE_PROGRESS',
  'JOB_CHANGED',
  'REDEPLOY_ENDED',
] as const satisfies readonly EventType[];

/** An event about to be written. */
export interface NewEvent<T extends EventType = EventType> {
  readonly environmentId: string;
  readonly type: T;
  readonly data: EventData[T];
  /** One sentence a person can read. */
  readonly message: string;
  readonly serviceId?: string | null;
  readonly redeployId?: string | null;
  readonly jobId?: string | null;
}

/** An event as read from the log. */
export interface LoggedEvent {
  readonly environmentId: string;
  readonly seq: number;
  readonly type: EventType;
  readonly data: EventData[EventType];
  readonly message: string;
  readonly serviceId: string | null;
  readonly redeployId: string | null;
  readonly jobId: string | null;
  readonly occurredAt: Date;
}

/** A place in the log of one environment. The epoch changes when a log is begun anew, so that an old cursor is noticed. */
export interface Position {
  readonly environmentId: string;
  readonly epoch: string;
  readonly seq: number;
}

/** History kept: at least so long and at least so many events an environment. */
export const eventRetention = { days: 7, events: 10_000 } as const;
