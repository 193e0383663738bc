// Maintenance mode, which acts at once, and the configurable health check, which waits for a redeploy.
import { disableMaintenance, enableMaintenance } from '../control/maintenance.ts';
import { type HealthCheck, healthCheckLimits } from '../model/health-check.ts';
import { builder } from './builder.ts';
import { described } from './described.ts';
import { serviceIdOf } from './ids.ts';
import { mutation } from './mutation.ts';
import { servicePayload } from './service-payload.ts';

const HealthCheckKindEnum = builder.enumType('HealthCheckKind', {
  description: 'How a job is asked.',
  values: described(['HTTP', 'TCP'] as const, {
    HTTP: 'GET of a path; healthy when its status is among the expected ones.',
    TCP: 'A connection; healthy when it is accepted.',
  }),
});

export const StatusRange = builder.objectRef<{ from: number; to: number }>('StatusRange').implement({
  description: 'HTTP status codes, both ends included.',
  fields: (t) => ({
    from: t.exposeInt('from', { description: 'The lowest.' }),
    to: t.exposeInt('to', { description: 'The highest.' }),
  }),
});

export const HealthCheckRef = builder.objectRef<HealthCheck>('HealthCheck').implement({
  description:
    'The check that lets a job into rotation and takes it out again, made from outside its container.',
  fields: (t) => ({
    kind: t.expose('kind', { type: HealthCheckKindEnum, description: 'How a job is asked.' }),
    port: t.exposeInt('port', { description: 'Port of the job.' }),
    path: t.exposeString('path', { nullable: true, description: 'HTTP: the path asked for.' }),
    expectedStatus: t.expose('expectedStatus', {
      type: StatusRange,
      nullable: true,
      description: 'HTTP: statuses that count as healthy.',
    }),
    intervalSeconds: t.exposeInt('intervalSeconds', { description: 'Between two checks of a job.' }),
    timeoutSeconds: t.exposeInt('timeoutSeconds', { description: 'How long an answer may take.' }),
    healthyThreshold: t.exposeInt('healthyThreshold', {
      description:
        'Successes in a row until an unhealthy job returns; the first one after its start is enough.',
    }),
    unhealthyThreshold: t.exposeInt('unhealthyThreshold', {
      description: 'Failures in a row until a job leaves rotation.',
    }),
    deadlineSeconds: t.exposeInt('deadlineSeconds', {
      nullable: true,
      description: "How long a started job may take to become healthy; null: the installation's standard.",
    }),
  }),
});

export const StatusRangeInput = builder.inputType('StatusRangeInput', {
  description: 'HTTP status codes, both ends included, 100 to 599.',
  fields: (t) => ({
    from: t.int({ description: 'The lowest.' }),
    to: t.int({ description: 'The highest.' }),
  }),
});

const range = ({ standard, minimum, maximum }: { standard: number; minimum: number; maximum: number }) =>
  `${minimum} to ${maximum}; ${standard} by default.`;

export const HealthCheckInput = builder.inputType('HealthCheckInput', {
  description: 'A health check; absent fields keep their present or standard value.',
  fields: (t) => ({
    kind: t.field({ type: HealthCheckKindEnum, required: false, description: 'HTTP by default.' }),
    port: t.int({ required: false, description: `Port, ${range(healthCheckLimits.port)}` }),
    path: t.string({
      required: false,
      description: 'HTTP: begins with /, at most 1,024 visible ASCII characters; / by default.',
    }),
    expectedStatus: t.field({
      type: StatusRangeInput,
      required: false,
      description: 'HTTP: 200 to 399 by default.',
    }),
    intervalSeconds: t.int({
      required: false,
      description: `Seconds, ${range(healthCheckLimits.intervalSeconds)}`,
    }),
    timeoutSeconds: t.int({
      required: false,
      description: `Seconds, ${range(healthCheckLimits.timeoutSeconds)}`,
    }),
    healthyThreshold: t.int({
      required: false,
      description: `Times, ${range(healthCheckLimits.healthyThreshold)}`,
    }),
    unhealthyThreshold: t.int({
      required: false,
      description: `Times, ${range(healthCheckLimits.unhealthyThreshold)}`,
    }),
    deadlineSeconds: t.int({ required: false, description: 'Seconds, 1 to 3600; null: the standard.' }),
  }),
});

mutation({
  name: 'enableMaintenance',
  description:
    'Puts a code service into maintenance: its sites answer 503 with a page while its jobs run on. At once, without a redeploy. Needs the scope `deploy`.',
  input: builder.inputType('EnableMaintenanceInput', {
    description: 'A service to put into maintenance.',
    fields: (t) => ({ serviceId: t.id({ description: 'Which code service.' }) }),
  }),
  payload: servicePayload('EnableMaintenancePayload', 'The service in maintenance.'),
  run: (room, caller, input) => enableMaintenance(room, caller, { serviceId: serviceIdOf(input.serviceId) }),
});

mutation({
  name: 'disableMaintenance',
  description: 'Takes a code service out of maintenance, at once. Needs the scope `deploy`.',
  input: builder.inputType('DisableMaintenanceInput', {
    description: 'A service to take out of maintenance.',
    fields: (t) => ({ serviceId: t.id({ description: 'Which code service.' }) }),
  }),
  payload: servicePayload('DisableMaintenancePayload', 'The service out of maintenance.'),
  run: (room, caller, input) => disableMaintenance(room, caller, { serviceId: serviceIdOf(input.serviceId) }),
});
