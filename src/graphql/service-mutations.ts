// Mutations of services and their workers.
import { createService } from '../control/create-service.ts';
import { deleteService, stopService } from '../control/delete-service.ts';
import { updateService } from '../control/update-service.ts';
import { deployWorker, removeWorker, scaleWorker } from '../control/workers.ts';
import { builder } from './builder.ts';
import { localId, serviceIdOf } from './ids.ts';
import { HealthCheckInput } from './maintenance.ts';
import { mutation } from './mutation.ts';
import { StrategyEnum } from './redeploy-enums.ts';
import { RedeployRef } from './refs.ts';
import { CreateServiceInput, SizeInput, serviceInput } from './service-inputs.ts';
import { servicePayload } from './service-payload.ts';

const created = servicePayload('CreateServicePayload', 'The new service.');
builder.objectField(created, 'redeploy', (t) =>
  t.field({
    type: RedeployRef,
    nullable: true,
    description: 'The redeploy that deploys it; null for a code service, which waits for its first push.',
    resolve: ({ ids }, _args, { loaders }) =>
      ids.redeployId === undefined ? null : loaders.redeploy.load(ids.redeployId),
  }),
);

mutation({
  name: 'createService',
  description: 'Makes a service. Databases and caches are deployed at once. Needs the scope `deploy`.',
  input: CreateServiceInput,
  payload: created,
  run: (room, caller, input) =>
    createService(room, caller, {
      ...serviceInput(input),
      environmentId: localId('Environment', input.environmentId, ['input', 'environmentId']),
      idempotencyKey: input.idempotencyKey,
    }),
});

mutation({
  name: 'updateService',
  description:
    'Changes the spec of a service, as far as fields are given. Nothing that runs changes by it: redeploy. Needs the scope `deploy`; `redeployable` and `overlapSeconds` an operator.',
  input: builder.inputType('UpdateServiceInput', {
    description: 'Fields to change; absent ones stay.',
    fields: (t) => ({
      serviceId: t.id({ description: 'Which service.' }),
      label: t.string({ required: false, description: 'New label; DNS name and git address stay.' }),
      size: t.field({ type: SizeInput, required: false, description: 'New size.' }),
      scale: t.int({
        required: false,
        description: 'New number of deploy jobs, 0 to 50 (databases 0 or 1).',
      }),
      workerLimit: t.int({
        required: false,
        description: 'New limit of worker jobs, 0 to 100; LIMIT when more are asked for now.',
      }),
      rollBack: t.boolean({
        required: false,
        description: 'Whether the last good spec is started again when a redeploy fails.',
      }),
      healthCheck: t.field({
        type: HealthCheckInput,
        required: false,
        description: 'Another health check, code services only; null: back to the standard one.',
      }),
      strategy: t.field({
        type: StrategyEnum,
        required: false,
        description:
          'RECREATE, though an operator allows OVERLAP; or OVERLAP again, INVALID without an overlap period. Code services only.',
      }),
      overlapSeconds: t.int({
        required: false,
        description:
          'Operators only: how long replaced jobs of a code service go on running, 0 to 3600; null: off.',
      }),
      redeployable: t.boolean({
        required: false,
        description: 'Operators only: false marks a customization.',
      }),
      expectedRevision: t.int({
        required: false,
        description: 'Refused as stale when its revision is another.',
      }),
    }),
  }),
  payload: servicePayload('UpdateServicePayload', 'The changed service.'),
  run: (room, caller, input) =>
    updateService(room, caller, { ...input, serviceId: serviceIdOf(input.serviceId) }),
});

mutation({
  name: 'stopService',
  description:
    'Stops all jobs of a service until its next redeploy; an open redeploy is canceled. NotRedeployableError where a customization would be lost, or where the platform operates the service. Needs the scope `deploy`.',
  input: builder.inputType('StopServiceInput', {
    description: 'A service to stop.',
    fields: (t) => ({ serviceId: t.id({ description: 'Which service.' }) }),
  }),
  payload: servicePayload('StopServicePayload', 'The service whose jobs are being stopped.'),
  run: (room, caller, input) => stopService(room, caller, { serviceId: serviceIdOf(input.serviceId) }),
});

mutation({
  name: 'deleteService',
  description:
    'Removes a service: jobs, code, releases, variables. The volume of a database is removed after a waiting time. Needs the scope `admin`.',
  input: builder.inputType('DeleteServiceInput', {
    description: 'A confirmed deletion.',
    fields: (t) => ({
      serviceId: t.id({ description: 'Which service.' }),
      confirm: t.string({ description: 'Its label, as confirmation.' }),
    }),
  }),
  payload: servicePayload('DeleteServicePayload', 'The service that is being deleted.'),
  run: (room, caller, input) =>
    deleteService(room, caller, { ...input, serviceId: serviceIdOf(input.serviceId) }),
});

function workerInput(name: string, counts: string) {
  return builder.inputType(name, {
    description: 'Workers of a Procfile target.',
    fields: (t) => ({
      serviceId: t.id({ description: 'Of which service.' }),
      target: t.string({ description: 'Name of the Procfile target; not web.' }),
      count: t.int({ description: counts }),
    }),
  });
}

mutation({
  name: 'deployWorker',
  description:
    'Starts workers of a target for the first time. LIMIT past the worker limit of the service. Needs the scope `deploy`.',
  input: workerInput('DeployWorkerInput', 'How many, 1 to 100.'),
  payload: servicePayload('DeployWorkerPayload', 'The service whose workers are being started.'),
  run: (room, caller, input) =>
    deployWorker(room, caller, { ...input, serviceId: serviceIdOf(input.serviceId) }),
});

mutation({
  name: 'scaleWorker',
  description:
    'Changes the number of workers of a target, at once and for every redeploy to come. Needs the scope `deploy`.',
  input: workerInput('ScaleWorkerInput', 'How many, 0 to 100.'),
  payload: servicePayload('ScaleWorkerPayload', 'The service whose workers are being changed.'),
  run: (room, caller, input) =>
    scaleWorker(room, caller, { ...input, serviceId: serviceIdOf(input.serviceId) }),
});

mutation({
  name: 'removeWorker',
  description: 'Stops the workers of a target and forgets their number. Needs the scope `deploy`.',
  input: builder.inputType('RemoveWorkerInput', {
    description: 'Workers to remove.',
    fields: (t) => ({
      serviceId: t.id({ description: 'Of which service.' }),
      target: t.string({ description: 'Name of the Procfile target.' }),
    }),
  }),
  payload: servicePayload('RemoveWorkerPayload', 'The service whose workers are being removed.'),
  run: (room, caller, input) =>
    removeWorker(room, caller, { ...input, serviceId: serviceIdOf(input.serviceId) }),
});
