// Redeploys: the type with its phases, jobs and cause, the plan, and the mutations.

import type { ShownJob } from '../control/loading.ts';
import * as control from '../control/redeploy.ts';
import { type Phase, redeployLimits } from '../model/redeploy.ts';
import { builder } from './builder.ts';
import { FailureCauseRef } from './failure-cause.ts';
import { loadEach, loaded, localId, serviceIdOf } from './ids.ts';
import { callerOf, mutation, type Payload } from './mutation.ts';
import {
  JobHealthEnum,
  JobStateEnum,
  PhaseNameEnum,
  PhaseStateEnum,
  RedeployReasonEnum,
  RedeployStateEnum,
  SpecChangeRef,
  StrategyEnum,
} from './redeploy-enums.ts';
import { JobRef, RedeployRef, ServiceRef } from './refs.ts';

export const ActorRef = builder.objectRef<{ name: string }>('Actor').implement({
  description: 'Who did something.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Name of the token, or Berth for the platform itself.' }),
  }),
});

const PhaseRef = builder.objectRef<Phase>('RedeployPhase').implement({
  description: 'One phase of a redeploy that has begun.',
  fields: (t) => ({
    phase: t.expose('phase', { type: PhaseNameEnum, description: 'Which phase.' }),
    state: t.expose('state', { type: PhaseStateEnum, description: 'Where it is.' }),
    startedAt: t.field({
      type: 'DateTime',
      description: 'When it began.',
      resolve: (phase) => new Date(phase.startedAt),
    }),
    endedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it ended; null while it runs.',
      resolve: (phase) => (phase.endedAt === null ? null : new Date(phase.endedAt)),
    }),
    message: t.exposeString('message', { description: 'What it does, for people.' }),
  }),
});

const RoleEnum = builder.enumType('RedeployJobRole', {
  description: 'What part a job has in a redeploy.',
  values: {
    OLD: { description: 'It ran before and is replaced.' },
    NEW: { description: 'It runs the new spec.' },
    RESTORED: { description: 'It runs the last good spec again, since the redeploy failed.' },
  },
});

interface RedeployJob {
  readonly job: ShownJob;
  readonly role: 'OLD' | 'NEW' | 'RESTORED';
}

const RedeployJobRef = builder.objectRef<RedeployJob>('RedeployJob').implement({
  description: 'A job that takes part in a redeploy.',
  fields: (t) => ({
    job: t.expose('job', { type: JobRef, description: 'The job.' }),
    role: t.expose('role', { type: RoleEnum, description: 'Its part.' }),
    state: t.field({ type: JobStateEnum, description: 'Where the job is.', resolve: ({ job }) => job.state }),
    health: t.field({
      type: JobHealthEnum,
      nullable: true,
      description: 'Its health while it runs.',
      resolve: ({ job }) => job.health,
    }),
    inRotation: t.boolean({
      description:
        'Whether the service proxies are to send it new requests: it is in rotation and healthy. False for jobs that no proxy knows. RotationChanged tells when every proxy does so.',
      resolve: ({ job }) => job.rotation === 'IN' && job.health === 'HEALTHY',
    }),
  }),
});

builder.node(RedeployRef, {
  description: "Replaces a service's deploy and worker jobs by new ones made from its spec.",
  id: { resolve: (row) => row.id, description: 'Global id.' },
  loadManyWithoutCache: (ids, { loaders }) => loadEach(loaders.redeploy, ids),
  fields: (t) => ({
    service: t.field({
      type: ServiceRef,
      description: 'Which service.',
      resolve: (row, _args, { loaders }) => loaded(loaders.service.load(row.serviceId)),
    }),
    reason: t.expose('reason', { type: RedeployReasonEnum, description: 'Why it was asked for.' }),
    strategy: t.expose('strategy', { type: StrategyEnum, description: 'How it replaces the jobs.' }),
    state: t.expose('state', { type: RedeployStateEnum, description: 'Where it is.' }),
    note: t.exposeString('note', { nullable: true, description: 'What the caller noted.' }),
    requestedBy: t.field({
      type: ActorRef,
      description: 'Who asked for it.',
      resolve: (row) => ({ name: row.requestedBy }),
    }),
    requestedAt: t.expose('requestedAt', { type: 'DateTime', description: 'When it was asked for.' }),
    startedAt: t.expose('startedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was begun; null while queued.',
    }),
    endedAt: t.expose('endedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it ended; null while open.',
    }),
    deadlineAt: t.expose('deadlineAt', {
      type: 'DateTime',
      description: `By when it must have succeeded; it has ended ${redeployLimits.restoreSeconds} s later at the latest.`,
    }),
    cancelRequested: t.exposeBoolean('cancelRequested', {
      description: 'Whether somebody asked to cancel it.',
    }),
    phases: t.field({
      type: [PhaseRef],
      description: 'Phases that have begun, in order.',
      resolve: (row) => row.phases,
    }),
    jobs: t.field({
      type: [RedeployJobRef],
      description: 'Jobs that take part: old, new and restored ones, oldest first.',
      resolve: async (row, _args, { loaders }) =>
        ((await loaders.jobsOfRedeploy.load(row.id)) ?? []).map(
          (job): RedeployJob => ({
            job,
            role: job.restoredBy === row.id ? 'RESTORED' : job.redeployId === row.id ? 'NEW' : 'OLD',
          }),
        ),
    }),
    cause: t.field({
      type: FailureCauseRef,
      nullable: true,
      description: 'Why it failed; null unless it did.',
      resolve: (row) => row.cause,
    }),
    changes: t.field({
      type: [SpecChangeRef],
      description: 'What it changes against what ran when it was asked for.',
      resolve: (row) => row.changes,
    }),
  }),
});

/** Of a service and of an environment alike. */
export const RedeployConnection = builder.connectionObject(
  { type: RedeployRef, name: 'RedeployConnection', description: 'A page of redeploys.' },
  { name: 'RedeployEdge', description: 'One redeploy in its list.' },
);

const PlanRef = builder.objectRef<control.RedeployPlan>('RedeployPlan').implement({
  description: 'What a redeploy asked for now would do.',
  fields: (t) => ({
    service: t.field({
      type: ServiceRef,
      description: 'Which service.',
      resolve: (plan, _args, { loaders }) => loaded(loaders.service.load(plan.serviceId)),
    }),
    planHash: t.exposeString('planHash', {
      description:
        'Give it to redeployService: the redeploy is refused as stale when the plan is another by then.',
    }),
    changes: t.field({
      type: [SpecChangeRef],
      description: 'What would change, field by field.',
      resolve: (plan) => [...plan.changes],
    }),
    steps: t.stringList({
      description: 'What would happen, in order, one sentence each.',
      resolve: (plan) => [...plan.steps],
    }),
    causesDowntime: t.exposeBoolean('causesDowntime', {
      description: 'Whether running jobs would be stopped before new ones are healthy.',
    }),
  }),
});

builder.queryField('redeployPlan', (t) =>
  t.field({
    type: PlanRef,
    description:
      'What a redeploy of the service would change and do. CONFLICT for a code service without a release.',
    authScopes: { may: 'READ' },
    args: { serviceId: t.arg.id({ description: 'Which service.' }) },
    resolve: (_root, { serviceId }, context) =>
      control.redeployPlan(context.control, callerOf(context), localId('Service', serviceId, ['serviceId'])),
  }),
);

function payload(name: string, description: string) {
  return builder.objectRef<Payload>(name).implement({
    description,
    fields: (t) => ({
      redeploy: t.field({
        type: RedeployRef,
        description: 'The redeploy as it is now.',
        resolve: ({ ids }, _args, { loaders }) => loaded(loaders.redeploy.load(ids.redeployId ?? '')),
      }),
    }),
  });
}

const { minimum, maximum, standard } = redeployLimits.deadlineSeconds;

mutation({
  name: 'redeployService',
  description:
    "Asks for a redeploy; an open one of the service is superseded by it. Nothing was started yet when this answers: watch redeployProgress from the payload's cursor. Needs the scope `deploy`.",
  input: builder.inputType('RedeployServiceInput', {
    description: 'A redeploy to be done.',
    fields: (t) => ({
      serviceId: t.id({ description: 'Which service.' }),
      planHash: t.string({
        required: false,
        description: 'From redeployPlan: StalePlanError when the plan has changed since.',
      }),
      note: t.string({ required: false, description: 'For people, up to 1,000 characters.' }),
      deadlineSeconds: t.int({
        required: false,
        description: `By when it must have succeeded, ${minimum} to ${maximum} s; ${standard} when absent, unless the installation says otherwise. The overlap period and ten seconds to drain come on top.`,
      }),
      idempotencyKey: t.string({
        required: false,
        description: 'The same key has one effect, however often it is sent; see createEnvironment.',
      }),
    }),
  }),
  payload: payload('RedeployServicePayload', 'The redeploy that was asked for.'),
  run: (room, caller, input) =>
    control.redeployService(room, caller, {
      ...input,
      serviceId: serviceIdOf(input.serviceId),
    }),
});

mutation({
  name: 'cancelRedeploy',
  description:
    'Asks to cancel an open redeploy: its new jobs are stopped and, where the old ones had been stopped, the last good spec is started again; a service that was stopped before stays so. CONFLICT when it has ended, has failed and is being undone anyway, its old jobs are being stopped already (DRAIN), or requests go to its new jobs (SWITCH, OVERLAP) and no old one is healthy to take them back. Needs the scope `deploy`.',
  input: builder.inputType('CancelRedeployInput', {
    description: 'A redeploy to be canceled.',
    fields: (t) => ({ redeployId: t.id({ description: 'Which redeploy.' }) }),
  }),
  payload: payload('CancelRedeployPayload', 'The redeploy that is being canceled.'),
  run: (room, caller, input) =>
    control.cancelRedeploy(room, caller, {
      redeployId: localId('Redeploy', input.redeployId, ['input', 'redeployId']),
    }),
});
