// Builds: from a pushed commit to a release and, once, the redeploy it causes. A build that was cut off by a restart is
// begun again; its job ends once, so a release and its redeploy are made once.
import { prepareContext } from '../build/context.ts';
import type { Repositories } from '../build/git.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../ids.ts';
import { parseReference } from '../images/reference.ts';
import { checkSource } from '../images/sources.ts';
import { releaseTag } from '../model/jobs.ts';
import { holdBuild, listHeldBuilds } from '../postgres/build-hold.ts';
import { listOpenBuilds, noteAttempt } from '../postgres/builds.ts';
import { change } from '../postgres/change.ts';
import type { JobRow } from '../postgres/jobs.ts';
import { listServicesById, lockService, type ServiceRow } from '../postgres/services.ts';
import { listVariables, refsOf } from '../postgres/variables.ts';
import { BuildFailed, EngineFault, ImageMissing, labels as label } from '../runtime/runtime.ts';
import { type BuildLog, openBuildLog } from './build-log.ts';
import type { Deps } from './deps.ts';
import { redactorFor } from './kept-lines.ts';
import { recordMove } from './record-job.ts';
import { type BuiltRelease, recordRelease } from './release.ts';

export interface BuildDeps extends Deps {
  readonly repositories: Repositories;
  /** PEM text of a CA that builds behind an intercepting proxy have to trust. */
  readonly certificateAuthority: string | undefined;
}

const mebibyte = 1024 * 1024;
const mostAttempts = 3;
/** After the first attempt and the second, where a fault may pass. */
const pausesMs = [10_000, 50_000];
const beingDeleted = 'Its service is being deleted.';

/** The oldest open build of a service none of whose builds is under way, here or where another holds it. */
export async function nextBuild(deps: BuildDeps, busy: ReadonlySet<string>): Promise<JobRow | undefined> {
  const open = await listOpenBuilds(deps.store.db);
  const held = await listHeldBuilds(
    deps.store.db,
    open.map(({ id }) => id),
  );
  const services = new Set<string>();
  for (const job of open) {
    if (services.has(job.serviceId)) continue;
    services.add(job.serviceId);
    if (!busy.has(job.id) && !held.has(job.id)) return job;
  }
  return undefined;
}

export async function build(deps: BuildDeps, job: JobRow, closing: AbortSignal): Promise<void> {
  const lost = new AbortController();
  const hold = await holdBuild(deps.store, job.id, () => lost.abort());
  if (hold === undefined) return;
  try {
    const [service] = await listServicesById(deps.store.db, [job.serviceId]);
    if (service === undefined || service.deletedAt !== null || service.deletionRequestedAt !== null) {
      await endBuild(deps, service?.label ?? 'a service', job, beingDeleted);
      return;
    }
    await buildHeld(deps, service, job, AbortSignal.any([closing, lost.signal]));
  } finally {
    await hold.release();
  }
}

async function buildHeld(
  deps: BuildDeps,
  service: ServiceRow,
  job: JobRow,
  signal: AbortSignal,
): Promise<void> {
  const variables = (await listVariables(deps.store.db, [service.id])).get(service.id) ?? [];
  const spec = { variables: refsOf(variables) } as JobRow['spec'];
  const redact = await redactorFor(deps, { ...job, spec });
  const log = await openBuildLog(deps, job.id, redact);
  try {
    const attempt = await beginBuild(deps, service, job);
    if (attempt === undefined) return;
    if (attempt > 1) log.line('The last attempt did not come to its end; the build is begun again.');
    const release = await makeRelease(deps, job, log, signal);
    log.line(`Built release ${release.commit}.`);
    await log.flush();
    if (await recordRelease(deps, job, release)) return;
    await deps.runtime.removeImage(releaseTag(job.serviceId, release.commit));
    await endBuild(deps, service.label, job, beingDeleted);
  } catch (error) {
    if (signal.aborted) return;
    const pause = isPassing(error) ? pausesMs[job.attempt] : undefined;
    if (pause !== undefined) {
      deps.logger.warn({ err: error, jobId: job.id }, 'a build met a fault; it is begun again');
      log.line(`A fault of the platform or its engine; another attempt comes in ${pause / 1_000} s.`);
      await log.flush();
      await deps.clock.sleep(pause, signal).catch(() => {});
      return;
    }
    const reason = reasonOf(deps, error);
    log.line(`The build has failed: ${reason}`);
    await log.flush();
    await endBuild(deps, service.label, job, redact(reason));
  } finally {
    await log.close();
  }
}

/** The number of this attempt; undefined when the build has ended in the meantime or was begun too often. */
async function beginBuild(deps: BuildDeps, service: ServiceRow, job: JobRow): Promise<number | undefined> {
  const attempt = job.attempt + 1;
  if (attempt > mostAttempts) {
    await endBuild(
      deps,
      service.label,
      job,
      'It was cut off too often by restarts of the platform. Push another commit.',
    );
    return undefined;
  }
  const { value } = await change(deps, async (current) => {
    await lockService(current.tx, service.id);
    if (job.state === 'SCHEDULED') await recordMove(current, service.label, job, 'STARTING', { attempt });
    const starting: JobRow = { ...job, state: 'STARTING' };
    if (job.state !== 'RUNNING')
      return recordMove(current, service.label, starting, 'RUNNING', { attempt, startedAt: new Date() });
    return noteAttempt(current.tx, job.id, attempt);
  });
  return value === undefined ? undefined : attempt;
}

async function makeRelease(
  deps: BuildDeps,
  job: JobRow,
  log: BuildLog,
  stop: AbortSignal,
): Promise<BuiltRelease> {
  const { settings, repositories, installation } = deps;
  const sha = job.commit ?? '';
  const timeout = AbortSignal.timeout(settings.buildSeconds * 1000);
  const signal = AbortSignal.any([stop, timeout]);
  try {
    const source = await prepareContext({
      repositories,
      repositoryId: job.serviceId,
      sha,
      baseImage: (reference) => obtainBase(deps, reference, log, signal),
      certificateAuthority: deps.certificateAuthority,
      signal,
    });
    log.line(`Building commit ${sha.slice(0, 12)} as ${source.language}.`);
    const options = {
      tag: releaseTag(job.serviceId, sha),
      labels: { [label.installation]: installation.id, [label.service]: job.serviceId },
      memoryBytes: settings.buildMemoryMiB * mebibyte,
      cpuMillis: 2_000,
      dockerfile: source.dockerfileName,
      buildArgs: {},
    };
    const imageId = await deps.runtime.buildImage(
      source.context,
      options,
      (line) => tellLine(log, line),
      signal,
    );
    const { subject } = await repositories.commit(job.serviceId, sha);
    const commands = Object.fromEntries(source.procfile ?? []);
    return {
      id: newId(),
      commit: sha,
      subject: subject.slice(0, 200),
      imageId,
      language: source.language,
      commands,
    };
  } catch (error) {
    if (timeout.aborted && !stop.aborted)
      throw new BuildFailed(`It took longer than the ${settings.buildSeconds} s that a build may take.`);
    throw error;
  }
}

/** The engine's own bookkeeping between the steps tells a person nothing. */
const bookkeeping =
  /^(?: ---> (?:Running in )?[0-9a-f]{12}$| ---> Using cache$|Removing intermediate container )/;

function tellLine(log: BuildLog, line: string): void {
  if (!bookkeeping.test(line)) log.line(line);
}

async function obtainBase(
  deps: BuildDeps,
  reference: string,
  log: BuildLog,
  signal: AbortSignal,
): Promise<string> {
  checkSource(parseReference(reference));
  let said = '';
  const tell = ({ text }: { readonly text: string }) => {
    if (text !== said) log.line(text);
    said = text;
  };
  const { imageId, origin } = await deps.images.obtain(reference, tell, signal);
  const how = {
    PRESENT: 'on the engine',
    PULLED: 'pulled from its registry',
    RECIPE: 'made by the local recipe',
  };
  log.line(`Base image ${reference}: ${how[origin]}.`);
  // They would run in this build unseen, and could name any image of the engine to copy from.
  if ((await deps.runtime.imageTriggers(imageId)).length > 0)
    throw new BuildFailed(
      `The base image ${reference} brings instructions of its own into every build (ONBUILD). Choose a base without them.`,
    );
  return imageId;
}

async function endBuild(deps: BuildDeps, name: string, job: JobRow, reason: string): Promise<void> {
  await change(deps, async (current) => {
    await lockService(current.tx, job.serviceId);
    await recordMove(current, name, job, 'FAILED', { reason, cleaned: true });
  });
}

/** Nothing that is wrong with the source, and not what the engine holds to be wrong with what it was asked. */
function isPassing(error: unknown): boolean {
  if (error instanceof BuildFailed || error instanceof ImageMissing || error instanceof Refusal) return false;
  return !(error instanceof EngineFault && (error.statusCode ?? 500) < 500);
}

function reasonOf(deps: BuildDeps, error: unknown): string {
  if (error instanceof BuildFailed || error instanceof ImageMissing || error instanceof Refusal)
    return error.message;
  deps.logger.error({ err: error }, 'a build failed');
  if (error instanceof EngineFault) return `The engine did not do its part: ${error.message}`;
  return 'The platform failed to build it; its log has the details. Push another commit.';
}
