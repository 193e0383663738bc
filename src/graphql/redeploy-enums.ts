// Enums and small types of redeploys and jobs, shared by both.
import { jobHealths, jobStates, jobTypes } from '../model/jobs.ts';
import { phaseNames, redeployReasons, redeployStates } from '../model/redeploy.ts';
import { rotations } from '../model/rotation.ts';
import { type SpecChange, strategies } from '../model/spec.ts';
import { builder } from './builder.ts';
import { described } from './described.ts';

export const JobTypeEnum = builder.enumType('JobType', {
  description: 'What a job is for.',
  values: described(jobTypes, {
    DEPLOY: 'Serves; as many as the scale says.',
    WORKER: 'Runs a Procfile target other than web.',
    BUILD: 'Makes an image from a push.',
    TASK: 'One command in the image of the service.',
    CONSOLE: 'A terminal in the image of the service.',
    BACKUP: 'Saves data.',
    RESTORE: 'Brings data back.',
  }),
});

export const JobStateEnum = builder.enumType('JobState', {
  description: 'Where a job is in its life. States only move forward; a job is one container, started once.',
  values: described(jobStates, {
    SCHEDULED: 'To be started.',
    STARTING: 'Its container is being made and started.',
    RUNNING: 'Its container runs; see its health.',
    STOPPING: 'TERM was sent; KILL follows after the grace period.',
    STOPPED: 'Stopped on request or by a replacement. An end.',
    FINISHED: 'A one-off job that did what it was for. An end.',
    FAILED: 'It ended by itself, or could not be started. An end.',
    LOST: 'Its container vanished. An end.',
  }),
});

export const JobHealthEnum = builder.enumType('JobHealth', {
  description: 'Health of a running job, checked from outside its container.',
  values: described(jobHealths, {
    STARTING: 'No check has succeeded yet.',
    HEALTHY: 'Its check has succeeded.',
    UNHEALTHY: 'It did not become healthy in time, or fails its check since; `checkOutput` says why.',
  }),
});

export const RotationEnum = builder.enumType('Rotation', {
  description: 'Whether the service proxies send requests to a job.',
  values: described(rotations, {
    OUT: 'No requests.',
    IN: 'New requests, while it is healthy.',
    DRAINING: 'No new requests; what it has begun may end.',
  }),
});

export const StrategyEnum = builder.enumType('RedeployStrategy', {
  description: 'How jobs are replaced.',
  values: described(strategies, {
    RECREATE: 'Stop all old jobs, then start the new ones: a short downtime.',
    OVERLAP:
      'Start the new jobs beside the old, switch the service proxies to them when every one is healthy, keep the old for the overlap period, then drain and stop them. No request through the proxies is lost that ends within the overlap period and 10 s; services that ask each other by DNS name reach any job that runs. For code services of scale 2 and more for which an operator has set an overlap period, and for every service proxy.',
  }),
});

export const RedeployReasonEnum = builder.enumType('RedeployReason', {
  description: 'Why a redeploy was asked for.',
  values: described(redeployReasons, {
    MANUAL: 'By redeployService.',
    CODE_PUSH: 'By a push that built.',
    SUPPORT_TICKET: 'By an operator who accepted a ticket.',
    ROLLBACK: 'To an earlier release.',
    CREATION: 'By the creation of a database, a cache or an included service, or of the first code service.',
  }),
});

export const RedeployStateEnum = builder.enumType('RedeployState', {
  description: 'Where a redeploy is. One that has ended never changes again.',
  values: described(redeployStates, {
    QUEUED: 'Asked for.',
    RUNNING: 'Being done.',
    SUCCEEDED: 'Every new job was seen healthy.',
    FAILED: 'It failed; `cause` says why. Without a last good spec the service is down.',
    ROLLED_BACK: 'It failed and the last good spec runs again, seen healthy.',
    CANCELED: 'Canceled; what it had begun was undone.',
    SUPERSEDED: 'A newer redeploy of the service took its place.',
  }),
});

export const PhaseNameEnum = builder.enumType('RedeployPhaseName', {
  description: 'Phases of a redeploy, in order.',
  values: described(phaseNames, {
    PREPARE: 'The private network and the volume are made sure of.',
    PULL_IMAGE: 'The image is found on the engine, pulled, or made by the local recipe.',
    STOP_OLD: 'All old jobs are stopped; from here on the service is down.',
    START_NEW: 'The new jobs are started.',
    VERIFY: 'Waiting until every new job is healthy.',
    SWITCH:
      'The service proxies take over who gets requests. OVERLAP: from here on the new jobs alone; a failure or a cancel leads back to the old.',
    OVERLAP: 'OVERLAP: the old jobs finish what they have begun, for the overlap period. Old workers stop.',
    DRAIN: 'OVERLAP: the old jobs are drained and stopped. It can not be canceled any more.',
    RESTORE: 'It failed: the last good spec is started again.',
  }),
});

export const PhaseStateEnum = builder.enumType('RedeployPhaseState', {
  description: 'Where a phase is.',
  values: described(['RUNNING', 'SUCCEEDED', 'FAILED'] as const, {
    RUNNING: 'Under way.',
    SUCCEEDED: 'Done.',
    FAILED: 'It ended the redeploy.',
  }),
});

const ChangeKindEnum = builder.enumType('SpecChangeKind', {
  description: 'What happened to a field of the spec.',
  values: described(['ADDED', 'CHANGED', 'REMOVED'] as const, {
    ADDED: 'It was not there.',
    CHANGED: 'It has another value.',
    REMOVED: 'It is no longer there.',
  }),
});

export const SpecChangeRef = builder.objectRef<SpecChange>('SpecChange').implement({
  description: 'One difference between two specs. Variables are told by digest, never by value.',
  fields: (t) => ({
    field: t.exposeString('field', {
      description: 'Dotted name, for example size.memoryMiB or variables.LOG_LEVEL.',
    }),
    kind: t.expose('kind', { type: ChangeKindEnum, description: 'What happened to it.' }),
    before: t.exposeString('before', { nullable: true, description: 'What runs; null when added.' }),
    after: t.exposeString('after', { nullable: true, description: 'What is wanted; null when removed.' }),
  }),
});
