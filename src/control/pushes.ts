// Pushes: who may push where, the build that a push asks for, and its progress as lines for the pusher.
import { z } from 'zod';
import { NotFound } from '../errors.ts';
import { newId } from '../ids.ts';
import { authorise, type Caller } from '../model/callers.ts';
import { hasEnded } from '../model/jobs.ts';
import { findOpenBuild, listWaitingBuilds } from '../postgres/builds.ts';
import { change } from '../postgres/change.ts';
import { insertJobs, type JobRow, listJobsById, moveJob } from '../postgres/jobs.ts';
import { findRedeployOfRelease } from '../postgres/redeploys.ts';
import { findServiceByLabel, lockService } from '../postgres/services.ts';
import type { Control } from './control.ts';
import { streamEvents } from './event-stream.ts';
import { streamOutput } from './log-stream.ts';
import { isTokenValid } from './token-watch.ts';

/** The service behind a git address, for a caller that may fetch from it or push to it. */
export async function serviceForGit(
  control: Control,
  caller: Caller,
  address: { readonly namespace: string; readonly label: string },
  action: 'READ' | 'DEPLOY',
): Promise<{ readonly serviceId: string }> {
  const placed = await findServiceByLabel(control.store.db, address.namespace, { dnsName: address.label });
  if (placed === undefined) throw new NotFound('service');
  const { service, organizationId } = placed;
  authorise(caller, action, { organizationId, environmentId: service.environmentId }, 'service', []);
  if (service.type !== 'CODE' || service.deletionRequestedAt !== null) throw new NotFound('service');
  return { serviceId: service.id };
}

export type Pusher = Pick<Caller, 'tokenId' | 'tokenName' | 'address'>;

const pusher = z.object({ tokenId: z.string(), tokenName: z.string(), address: z.string().nullable() });

/** The pusher travels through git as a text that is written and read here only. */
export function writePusher({ tokenId, tokenName, address }: Pusher): string {
  return JSON.stringify({ tokenId, tokenName, address: address ?? null } satisfies z.infer<typeof pusher>);
}

function readPusher(context: string): Pusher {
  const { address, ...who } = pusher.parse(JSON.parse(context));
  return { ...who, address: address ?? undefined };
}

/** The code that was pushed, as the build room keeps it. */
export interface PushedCode {
  head(repositoryId: string): Promise<string | undefined>;
  commit(repositoryId: string, sha: string): Promise<{ readonly author: string; readonly subject: string }>;
  findPush(
    repositoryId: string,
    sha: string,
  ): Promise<{ readonly context: string; readonly oldSha: string } | undefined>;
  forgetPush(repositoryId: string, sha: string): Promise<void>;
  takeBack(repositoryId: string, oldSha: string, newSha: string): Promise<void>;
}

export interface Push {
  readonly repositoryId: string;
  readonly oldSha: string;
  readonly newSha: string;
  /** From writePusher. */
  readonly context: string;
}

/**
 * What was pushed becomes a build; undefined when the service is being deleted. A push whose token has ended by now is
 * taken back instead, or the next start would find it kept and build it.
 */
export async function takePush(
  control: Control,
  code: PushedCode,
  { repositoryId, oldSha, newSha, context }: Push,
): Promise<JobRow | 'TAKEN_BACK' | undefined> {
  const pushedBy = readPusher(context);
  if (!(await isTokenValid(control, pushedBy.tokenId))) {
    await code.takeBack(repositoryId, oldSha, newSha);
    await code.forgetPush(repositoryId, newSha);
    return 'TAKEN_BACK';
  }
  const { subject } = await code.commit(repositoryId, newSha);
  const job = await recordPush(control, { serviceId: repositoryId, sha: newSha, subject, pushedBy });
  await code.forgetPush(repositoryId, newSha);
  return job;
}

export interface PushedCommit {
  readonly serviceId: string;
  readonly sha: string;
  readonly subject: string;
  /** Undefined for a commit that came by no push. */
  readonly pushedBy: Pusher | undefined;
}

/** Asks for the build of a pushed commit; the same one twice is one build. Builds still waiting give way to it. */
export async function recordPush(control: Control, push: PushedCommit): Promise<JobRow | undefined> {
  const { serviceId, sha } = push;
  const pushedBy = push.pushedBy?.tokenName ?? 'Berth';
  const { value } = await change(control, async (current) => {
    const placed = await lockService(current.tx, serviceId);
    if (placed === undefined || placed.service.deletionRequestedAt !== null) return undefined;
    const present = await findOpenBuild(current.tx, serviceId, sha);
    if (present !== undefined) return present;
    const { environmentId, label } = placed.service;
    const at = { environmentId, serviceId };
    for (const waiting of await listWaitingBuilds(current.tx, serviceId)) {
      const reason = 'A newer push came before it was begun.';
      const job = await moveJob(current.tx, waiting.id, 'STOPPED', { reason, cleaned: true });
      if (job !== undefined)
        current.emit({ ...at, jobId: job.id, ...buildEvent(job, `${label}: ${reason}`) });
    }
    const row = { id: newId(), ...at, type: 'BUILD' as const, state: 'SCHEDULED' as const, image: '' };
    const [job] = await insertJobs(current.tx, [{ ...row, commit: sha, requestedBy: pushedBy }]);
    if (job === undefined) throw new Error('the build was not inserted');
    const subject = push.subject.slice(0, 200).toWellFormed();
    const message = `${pushedBy} pushed ${sha.slice(0, 12)} to ${label}: ${subject}`;
    current.emit({ ...at, jobId: job.id, type: 'CODE_PUSHED', data: { commit: sha, subject }, message });
    current.emit({ ...at, jobId: job.id, ...buildEvent(job, `A build of ${label} is scheduled.`) });
    if (push.pushedBy !== undefined) {
      const caller = { ...push.pushedBy, organizationId: placed.organizationId };
      const subject = { environmentId, subjectType: 'Job', subjectId: job.id };
      current.audit({ caller, action: 'push', ...subject, after: sha });
    }
    current.nudge('builds');
    return job;
  });
  return value;
}

function buildEvent(job: JobRow, message: string) {
  const { type, target, state, health, exitCode } = job;
  return { type: 'JOB_CHANGED' as const, data: { type, target, state, health, exitCode }, message };
}

/** Shows a build and the redeploy it causes, line by line, until both have ended or nobody looks on any more. */
export async function showPush(
  control: Control,
  jobId: string,
  say: (line: string) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  for await (const item of streamOutput(control, jobId, undefined, signal))
    if (item.kind === 'ITEM') await say(item.item.text);
  const [job] = await listJobsById(control.store.db, [jobId]);
  if (job === undefined || signal.aborted) return;
  if (hasEnded(job.state) && job.state !== 'FINISHED')
    return say(`Nothing was deployed. ${job.reason ?? ''}`);
  const redeploy = await findRedeployOfRelease(control.store.db, job.id);
  if (redeploy === undefined)
    return say('The release is built and not deployed: the service needs a support ticket of kind REDEPLOY.');
  const { environmentId, id: redeployId } = redeploy;
  const selection = { environmentId, redeployId, begin: 'FIRST' as const, ended: async () => false };
  for await (const item of streamEvents(control, selection, signal))
    if (item.kind === 'ITEM') await say(item.item.message);
}
