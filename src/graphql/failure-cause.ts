// Why a redeploy failed: a union, each member with what a person needs to mend it.
import type { FailureCause } from '../model/failures.ts';
import { builder } from './builder.ts';
import { loaded } from './ids.ts';

import { JobRef } from './refs.ts';

type Cause<K extends FailureCause['kind']> = Extract<FailureCause, { kind: K }>;

const message = { description: 'What happened and what to do, for people.' };
const job = { type: JobRef, description: 'The failing job.' } as const;
const lastLines =
  'Last lines of its output, oldest first, at most 20; values of its variables, from eight characters on, are taken out.';

const ImageUnavailable = builder.objectRef<Cause<'IMAGE_UNAVAILABLE'>>('ImageUnavailable').implement({
  description: 'The image could not be had.',
  fields: (t) => ({
    message: t.exposeString('message', message),
    reference: t.exposeString('reference', { description: 'The image that was looked for.' }),
  }),
});

const ContainerExited = builder.objectRef<Cause<'CONTAINER_EXITED'>>('ContainerExited').implement({
  description: 'A new job ended before every one was healthy.',
  fields: (t) => ({
    message: t.exposeString('message', message),
    job: t.field({ ...job, resolve: (cause, _args, { loaders }) => loaded(loaders.job.load(cause.jobId)) }),
    exitCode: t.exposeInt('exitCode', {
      nullable: true,
      description: 'Its exit code; null when it was never started.',
    }),
    outOfMemory: t.exposeBoolean('outOfMemory', {
      description: 'Whether it was killed for using more memory than its size.',
    }),
    lastLines: t.stringList({ description: lastLines, resolve: (cause) => [...cause.lastLines] }),
  }),
});

const HealthCheckFailed = builder.objectRef<Cause<'HEALTH_CHECK_FAILED'>>('HealthCheckFailed').implement({
  description: 'A new job ran and did not become healthy in time.',
  fields: (t) => ({
    message: t.exposeString('message', message),
    job: t.field({ ...job, resolve: (cause, _args, { loaders }) => loaded(loaders.job.load(cause.jobId)) }),
    check: t.exposeString('check', {
      description:
        "HTTP or TCP (a request or a connection, by the service's health check or to PORT), HANDSHAKE (the server's own) or SETTLE (still running).",
    }),
    attempts: t.exposeInt('attempts', { description: 'How often it was checked.' }),
    lastOutput: t.exposeString('lastOutput', { description: 'What the last check saw.' }),
    lastLines: t.stringList({ description: lastLines, resolve: (cause) => [...cause.lastLines] }),
  }),
});

const ConfigurationRefused = builder
  .objectRef<Cause<'CONFIGURATION_REFUSED'>>('ConfigurationRefused')
  .implement({
    description:
      'HAProxy refused the configuration of a service proxy, before anything was started or stopped for it.',
    fields: (t) => ({
      message: t.exposeString('message', message),
      lastLines: t.stringList({
        description: 'What HAProxy said of it, at most 20 lines.',
        resolve: (cause) => [...cause.lastLines],
      }),
    }),
  });

const DeadlineExceeded = builder.objectRef<Cause<'DEADLINE_EXCEEDED'>>('DeadlineExceeded').implement({
  description: 'The deadline of the redeploy passed.',
  fields: (t) => ({
    message: t.exposeString('message', message),
    phase: t.exposeString('phase', { description: 'The phase it was in.' }),
  }),
});

const EngineUnavailable = builder.objectRef<Cause<'ENGINE_UNAVAILABLE'>>('EngineUnavailable').implement({
  description: 'The engine did not answer.',
  fields: (t) => ({ message: t.exposeString('message', message) }),
});

const Canceled = builder.objectRef<Cause<'CANCELED'>>('Canceled').implement({
  description: 'Somebody asked to cancel it.',
  fields: (t) => ({ message: t.exposeString('message', message) }),
});

const byKind = {
  IMAGE_UNAVAILABLE: ImageUnavailable,
  CONTAINER_EXITED: ContainerExited,
  HEALTH_CHECK_FAILED: HealthCheckFailed,
  CONFIGURATION_REFUSED: ConfigurationRefused,
  DEADLINE_EXCEEDED: DeadlineExceeded,
  ENGINE_UNAVAILABLE: EngineUnavailable,
  CANCELED: Canceled,
};

export const FailureCauseRef = builder.unionType('FailureCause', {
  description: 'Why a redeploy did not succeed.',
  types: Object.values(byKind),
  resolveType: (cause) => byKind[(cause as FailureCause).kind],
});
