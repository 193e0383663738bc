// The facts that checks by the engine's eye are judged by, for any number of checks with few questions: the database is asked
// once for all services, the engine only for what a type needs.
import limitTo from 'p-limit';
import type { CommandSettings } from '../checks/platform/command.ts';
import { platformCheckTypes } from '../checks/platform/index.ts';
import { unknown } from '../checks/platform/judge.ts';
import type { CommandFacts, PlatformNeed, ServiceFacts } from '../checks/platform/platform-type.ts';
import { countedSeconds } from '../checks/platform/restarts.ts';
import { wantedJobs } from '../model/job-steps.ts';
import { volumeName } from '../model/jobs.ts';
import type { Observation } from '../model/monitoring/observations.ts';
import { listJobsById } from '../postgres/jobs.ts';
import type { CheckedService } from '../postgres/monitors.ts';
import { readClock } from '../postgres/open.ts';
import { listLivingAndDead, listServedCertificates, type SeenJob } from '../postgres/platform-facts.ts';
import { listServicesById, listWorkers, type ServiceRow } from '../postgres/services.ts';
import type { CommandRun, MemoryUse } from '../runtime/runtime.ts';
import type { Deps } from './deps.ts';
import { redactorFor } from './kept-lines.ts';

/** What is known, or why nothing is. */
export type Seen = { readonly facts: ServiceFacts } | { readonly instead: Observation };

const engineQuestions = limitTo(4);

export async function gatherFacts(deps: Deps, asked: readonly CheckedService[]): Promise<Map<string, Seen>> {
  const { db } = deps.store;
  const serviceIds = [...new Set(asked.map(({ check }) => check.serviceId))];
  const needing = (need: PlatformNeed) =>
    asked.filter(({ check }) => platformCheckTypes.get(check.type)?.needs.includes(need));
  const [services, workers, jobs, now] = await Promise.all([
    listServicesById(db, serviceIds),
    listWorkers(db, serviceIds),
    listLivingAndDead(db, serviceIds, countedSeconds),
    readClock(db),
  ]);
  const [memory, volumes, certificates] = await Promise.all([
    memoryOf(deps, jobs, new Set(needing('MEMORY').map(({ check }) => check.serviceId))),
    needing('VOLUME').length === 0 ? nothing : settled(deps.runtime.volumeSizes(deps.installation.id)),
    listServedCertificates(db, [...new Set(needing('CERTIFICATES').map(({ check }) => check.environmentId))]),
  ]);
  const rows = new Map(services.map((service) => [service.id, service]));
  const byService = Map.groupBy(jobs, ({ serviceId }) => serviceId);
  const seen = asked.map(async (each): Promise<[string, Seen]> => {
    const { check } = each;
    const service = rows.get(check.serviceId);
    const needs = platformCheckTypes.get(check.type)?.needs ?? [];
    if (service === undefined) return [check.id, { instead: unknown('There is no such service.') }];
    const own = byService.get(service.id) ?? [];
    if (needs.includes('MEMORY') && own.some(({ id }) => memory.get(id) instanceof Error))
      return [check.id, { instead: unknown('The engine does not tell how much memory is in use.') }];
    if (needs.includes('VOLUME') && volumes instanceof Error)
      return [check.id, { instead: unknown('The engine does not tell the sizes of volumes.') }];
    const facts: ServiceFacts = {
      ...factsOf(service, workers.get(service.id) ?? {}, own, now),
      jobs: own.filter(isLiving).map((job) => ({ ...job, memory: useOf(memory.get(job.id)) })),
      volumeBytes: volumes instanceof Error ? undefined : volumes.get(volumeName(service.id)),
      certificates: certificates.filter(({ environmentId }) => environmentId === service.environmentId),
      command: needs.includes('COMMAND') ? await runCommand(deps, each, own) : undefined,
    };
    return [check.id, { facts }];
  });
  return new Map(await Promise.all(seen));
}

const nothing: ReadonlyMap<string, number> = new Map();

function factsOf(
  service: ServiceRow,
  workers: Readonly<Record<string, number>>,
  jobs: readonly SeenJob[],
  now: Date,
): Pick<ServiceFacts, 'stopped' | 'failing' | 'wanted' | 'deaths' | 'triedSecondsAgo' | 'storageGiB'> {
  const { stopped, failingSince, budgetFrom, runningSpec } = service;
  return {
    stopped,
    failing: failingSince !== null,
    wanted: runningSpec === null ? null : wantedJobs(runningSpec, workers),
    deaths: jobs.filter((job) => !isLiving(job)).toSorted((a, b) => a.secondsAgo - b.secondsAgo),
    triedSecondsAgo: budgetFrom === null ? undefined : (now.getTime() - budgetFrom.getTime()) / 1_000,
    storageGiB: runningSpec?.volume === true ? runningSpec.size.storageGiB : null,
  };
}

function isLiving({ state }: SeenJob): boolean {
  return state === 'SCHEDULED' || state === 'STARTING' || state === 'RUNNING' || state === 'STOPPING';
}

async function memoryOf(
  { runtime }: Deps,
  jobs: readonly SeenJob[],
  serviceIds: ReadonlySet<string>,
): Promise<Map<string, MemoryUse | Error | undefined>> {
  const uses = jobs
    .filter((job) => job.state === 'RUNNING' && serviceIds.has(job.serviceId))
    .map(async ({ id, containerId }): Promise<[string, MemoryUse | Error | undefined]> => {
      if (containerId === null) return [id, undefined];
      return [id, await engineQuestions(() => settled(runtime.memoryUse(containerId)))];
    });
  return new Map(await Promise.all(uses));
}

function useOf(use: MemoryUse | Error | undefined): MemoryUse | undefined {
  return use instanceof Error ? undefined : use;
}

function settled<T>(question: Promise<T>): Promise<T | Error> {
  return question.catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
}

/** In the oldest running job of its kind. Values of its variables are taken out of what is said. */
async function runCommand(
  deps: Deps,
  { check }: CheckedService,
  jobs: readonly SeenJob[],
): Promise<CommandFacts> {
  const { command, worker } = check.settings as unknown as CommandSettings;
  const place = jobs.find(
    ({ type, target, state, containerId }) =>
      state === 'RUNNING' &&
      containerId !== null &&
      (worker === '' ? type === 'DEPLOY' : type === 'WORKER' && target === worker),
  );
  const [job] = place === undefined ? [] : await listJobsById(deps.store.db, [place.id]);
  if (job === undefined || job.containerId === null)
    return { unknown: `No ${worker === '' ? 'deploy' : `${worker} worker`} job runs to run the command in.` };
  const redact = await redactorFor(deps, job);
  const run = await settled(deps.runtime.runInside(job.containerId, command, check.timeoutSeconds * 1_000));
  if (run instanceof Error)
    return { unknown: `The engine could not run the command: ${redact(run.message)}` };
  if (run.end !== 'EXITED') return { unknown: endings[run.end](check.timeoutSeconds) };
  return { exitCode: run.exitCode ?? 3, text: redact(run.stdout.trim() === '' ? run.stderr : run.stdout) };
}

const endings: Readonly<Record<Exclude<CommandRun['end'], 'EXITED'>, (seconds: number) => string>> = {
  TIME_UP: (seconds) => `The command did not end within ${seconds} s; its process may go on in the job.`,
  TOO_MUCH: () => 'The command printed too much to be heard to its end.',
  STILL_RUNNING: () => 'The command was not begun: the one before it still runs in the job.',
  NOT_RUNNING: () => 'The job ended before the command did.',
};
