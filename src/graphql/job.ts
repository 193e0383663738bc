// Jobs and releases: the types, a job's output, and the mutations on single jobs.
import * as control from '../control/jobs.ts';
import { containerName } from '../model/jobs.ts';
import { builder } from './builder.ts';
import { loadEach, loaded, localId, serviceIdOf } from './ids.ts';
import { LogPageRef, logPage } from './logs.ts';
import { mutation, type Payload } from './mutation.ts';
import { JobHealthEnum, JobStateEnum, JobTypeEnum, RotationEnum } from './redeploy-enums.ts';
import { JobRef, RedeployRef, ReleaseRef, ServiceRef } from './refs.ts';

builder.node(JobRef, {
  description: 'Exactly one container, started once. A replacement is a new job.',
  id: { resolve: (row) => row.id, description: 'Global id.' },
  loadManyWithoutCache: (ids, { loaders }) => loadEach(loaders.job, ids),
  fields: (t) => ({
    service: t.field({
      type: ServiceRef,
      description: 'The service that started it.',
      resolve: (row, _args, { loaders }) => loaded(loaders.service.load(row.serviceId)),
    }),
    type: t.expose('type', { type: JobTypeEnum, description: 'What it is for.' }),
    target: t.exposeString('target', {
      nullable: true,
      description: 'Procfile target of a worker; null otherwise.',
    }),
    state: t.expose('state', { type: JobStateEnum, description: 'Where it is in its life.' }),
    health: t.expose('health', {
      type: JobHealthEnum,
      nullable: true,
      description: 'Its health while it runs; null otherwise.',
    }),
    checkOutput: t.exposeString('checkOutput', {
      nullable: true,
      description: 'What its health check said when it last changed its health or failed; null before.',
    }),
    rotation: t.expose('rotation', {
      type: RotationEnum,
      nullable: true,
      description: 'Whether the service proxies send it requests; null for jobs that no proxy knows.',
    }),
    redeploy: t.field({
      type: RedeployRef,
      nullable: true,
      description: 'The redeploy whose spec it runs; null for builds.',
      resolve: (row, _args, { loaders }) =>
        row.redeployId === null ? null : loaders.redeploy.load(row.redeployId),
    }),
    release: t.field({
      type: ReleaseRef,
      nullable: true,
      description: 'The release it runs; null when it runs none, or one that is no longer kept.',
      resolve: (row, _args, { loaders }) =>
        row.releaseId === null ? null : loaders.release.load(row.releaseId),
    }),
    node: t.string({
      nullable: true,
      description: 'Which node of the pod runs it; null where the pod is one Docker host.',
      resolve: () => null,
    }),
    image: t.exposeString('image', {
      description: 'Id of its image (sha256:…); of a build, of what it made; empty before.',
    }),
    containerName: t.string({
      description: 'Name of its container on the engine.',
      resolve: (row) => containerName(row.id),
    }),
    address: t.string({
      nullable: true,
      description:
        "Address on the environment's private network while it runs; reachable from the machine of the pod alone.",
      resolve: (row) => (row.state === 'RUNNING' ? row.address : null),
    }),
    commit: t.exposeString('commit', { nullable: true, description: 'Of a build: the pushed commit.' }),
    exitCode: t.exposeInt('exitCode', {
      nullable: true,
      description: 'Exit code, once it has ended and one is known.',
    }),
    reason: t.exposeString('reason', { nullable: true, description: 'Why it ended, for people.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was scheduled.' }),
    startedAt: t.expose('startedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When its container was started.',
    }),
    stoppedAt: t.expose('stoppedAt', { type: 'DateTime', nullable: true, description: 'When it ended.' }),
    logs: t.field({
      type: LogPageRef,
      description:
        'Lines of its output, oldest first. Of an ended job the last 1,000 lines, at most 512 KiB, are kept; of a build its first 50,000, each cut at 4,096 characters.',
      args: {
        first: t.arg.int({ description: 'How many at most, 1 to 100.' }),
        after: t.arg({
          type: 'Cursor',
          required: false,
          description: 'Lines after this place; from the beginning when absent.',
        }),
      },
      complexity: ({ first }) => ({ field: 50, multiplier: Math.min(100, Math.max(1, first)) }),
      resolve: (row, { first, after }, context) => logPage(context, row, first, after),
    }),
  }),
});

builder.node(ReleaseRef, {
  description: 'An image made by a push. The last three of a service are kept, and whatever runs.',
  id: { resolve: (row) => row.id, description: 'Global id.' },
  loadManyWithoutCache: (ids, { loaders }) => loadEach(loaders.release, ids),
  fields: (t) => ({
    commit: t.exposeString('commit', { description: 'SHA of the pushed commit.' }),
    subject: t.exposeString('subject', { description: "First line of the commit's message." }),
    language: t.exposeString('language', {
      description: 'What the source was recognised as, or Dockerfile.',
    }),
    image: t.string({ description: 'Id of its image (sha256:…).', resolve: (row) => row.imageId }),
    targets: t.stringList({
      description: 'Targets of its Procfile; empty without one.',
      resolve: (row) => Object.keys(row.commands),
    }),
    build: t.field({
      type: JobRef,
      nullable: true,
      description: 'The job that built it, with its log.',
      resolve: (row, _args, { loaders }) => loaders.job.load(row.buildJobId),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was built.' }),
  }),
});

function payload(name: string, description: string) {
  return builder.objectRef<Payload>(name).implement({
    description,
    fields: (t) => ({
      job: t.field({
        type: JobRef,
        description: 'The job as it is now.',
        resolve: ({ ids }, _args, { loaders }) => loaded(loaders.job.load(ids.jobId ?? '')),
      }),
    }),
  });
}

function input(name: string, description: string) {
  return builder.inputType(name, {
    description,
    fields: (t) => ({ jobId: t.id({ description: 'Which job.' }) }),
  });
}

mutation({
  name: 'stopJob',
  description:
    'Stops one job; it is replaced if its service wants as many, and a new job of a redeploy under way makes that fail. CONFLICT when it has ended, or is a build. Needs the scope `deploy`.',
  input: input('StopJobInput', 'A job to stop.'),
  payload: payload('StopJobPayload', 'The job that is being stopped.'),
  run: (room, caller, given) => control.stopJob(room, caller, { jobId: jobId(given.jobId) }),
});

mutation({
  name: 'startJob',
  description:
    'Starts an ended deploy or worker job again at once, as a new job, where its service wants it: ends the waiting after repeated deaths. Needs the scope `deploy`.',
  input: input('StartJobInput', 'An ended job to start again.'),
  payload: payload('StartJobPayload', 'The ended job; its replacement is a new one of the service.'),
  run: (room, caller, given) => control.startJob(room, caller, { jobId: jobId(given.jobId) }),
});

mutation({
  name: 'runTask',
  description:
    'Runs one command as a job of its own, in the image and with the variables that a code service runs with. Its output is the log of the job. Needs the scope `deploy`.',
  input: builder.inputType('RunTaskInput', {
    description: 'A command to run.',
    fields: (t) => ({
      serviceId: t.id({ description: 'In which code service.' }),
      command: t.stringList({
        description: 'Program and arguments as a vector, 1 to 100; no shell unless you name one.',
      }),
      idempotencyKey: t.string({
        required: false,
        description: 'The same key has one effect, however often it is sent; see createEnvironment.',
      }),
    }),
  }),
  payload: payload('RunTaskPayload', 'The job that runs it.'),
  run: (room, caller, given) =>
    control.runTask(room, caller, {
      ...given,
      serviceId: serviceIdOf(given.serviceId),
    }),
});

function jobId(id: string): string {
  return localId('Job', id, ['input', 'jobId']);
}
