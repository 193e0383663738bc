// Attending to one service: decide from what is written down, begin every step that can be begun, and decide again
// whenever one has ended, something was asked for, or a time has come. Returns when nothing is left to do.
import { isAlive } from '../model/jobs.ts';
import { nextSteps } from '../model/redeploy.ts';
import { steadySteps, taskSteps } from '../model/steady.ts';
import { LeaseLost } from '../postgres/replicas.ts';
import { EngineFault } from '../runtime/runtime.ts';
import { waitForAny } from '../wait.ts';
import type { Hold } from './deps.ts';
import { observe } from './observe.ts';
import { readSituation, redeploySituation, type Situation, steadySituation } from './situation.ts';
import { performStep, type Step } from './steps.ts';

const longestWaitMs = 1_000;
const retryMs = { first: 250, longest: 5_000 };

export interface Attended {
  /** When to look again without being asked; null: only when asked. */
  readonly dueAt: Date | null;
  readonly seenAttention: number;
}

interface Begun {
  readonly jobId: string | undefined;
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

interface Progress {
  readonly begun: Map<string, Begun>;
  /** Steps that failed by no fault of theirs, and when to try them again. */
  readonly retries: Map<string, { readonly times: number; readonly at: number }>;
  lost: Error | undefined;
}

export async function attend(hold: Hold, asked: () => Promise<void>): Promise<Attended> {
  const progress: Progress = { begun: new Map(), retries: new Map(), lost: undefined };
  let seenAttention = -1;
  try {
    for (;;) {
      hold.signal.throwIfAborted();
      if (progress.lost !== undefined) throw progress.lost;
      const underWay = new Set(progress.begun.keys());
      const situation = await readSituation(hold);
      if (situation === undefined) return { dueAt: null, seenAttention };
      const { attention } = situation.service;
      const seen = attention === seenAttention ? 'SAME' : await look(hold, situation);
      if (seen !== 'UNKNOWN') seenAttention = attention;
      if (seen === 'CHANGED') continue;
      const { steps, waitUntil } = decide(hold, situation);
      // A step that ended while the situation was read may or may not be in it: read again before beginning anything.
      if (![...underWay].every((key) => progress.begun.has(key))) continue;
      const retryAt = begin(hold, situation, steps, progress);
      const due = seen === 'UNKNOWN' ? (retryAt ?? longestWaitMs) : retryAt;
      if (progress.begun.size === 0 && due === undefined) return { dueAt: waitUntil ?? null, seenAttention };
      await somethingHappens(progress, hold, asked, due);
    }
  } finally {
    for (const { stop } of progress.begun.values()) stop.abort();
    await Promise.allSettled([...progress.begun.values()].map(({ done }) => done));
  }
}

/** An engine that doesn't answer holds up no decision: a deadline passes all the same. It is looked at again. */
async function look(hold: Hold, situation: Situation): Promise<'CHANGED' | 'SAME' | 'UNKNOWN'> {
  try {
    return (await observe(hold, situation)) ? 'CHANGED' : 'SAME';
  } catch (error) {
    if (!(error instanceof EngineFault)) throw error;
    hold.deps.logger.warn({ err: error, serviceId: hold.claim.serviceId }, 'its jobs could not be looked at');
    return 'UNKNOWN';
  }
}

function decide({ deps }: Hold, situation: Situation): { steps: Step[]; waitUntil: Date | undefined } {
  const { redeploy, service, jobs } = situation;
  const { healthySeconds } = deps.settings;
  const deleting = service.deletionRequestedAt !== null;
  const main: Step[] =
    redeploy !== undefined && !deleting
      ? [...nextSteps(redeploySituation(situation, redeploy, healthySeconds)), ...taskSteps(jobs)]
      : steadySteps(steadySituation(situation, healthySeconds));
  // Ended jobs' containers are cleared away when nothing is in a hurry or too many are left; before all of the service
  // goes, they must be.
  const uncleaned = jobs.filter((job) => !isAlive(job) && !job.cleaned);
  const unhurried =
    uncleaned.length > service.scale ||
    main.every(({ do: step }) => step === 'VERIFY_JOB' || step === 'WAIT' || step === 'CLEAR_AWAY');
  const cleaning = (unhurried ? uncleaned : []).map((job): Step => ({ do: 'CLEAN_JOB', jobId: job.id }));
  const wanted = main.filter((step) => !(step.do === 'CLEAR_AWAY' && cleaning.length > 0));
  const waits = wanted.flatMap((step) => (step.do === 'WAIT' ? [step.until.getTime()] : []));
  const waitUntil = waits.length === 0 ? undefined : new Date(Math.min(...waits));
  return { steps: [...wanted.filter((step) => step.do !== 'WAIT'), ...cleaning], waitUntil };
}

/** Begins what isn't under way; answers with the milliseconds until a failed step may be tried again, if one waits. */
function begin(
  hold: Hold,
  situation: Situation,
  steps: readonly Step[],
  progress: Progress,
): number | undefined {
  const { begun, retries } = progress;
  const wanted = new Map(steps.map((step) => [keyOf(step), step]));
  for (const [key, { stop }] of begun) if (!wanted.has(key)) stop.abort();
  let earliest: number | undefined;
  for (const [key, step] of wanted) {
    // One step at a time for one job: a stop that overtakes a start would find nothing, and the start a free way.
    if (
      begun.has(key) ||
      [...begun.values()].some(({ jobId }) => jobId !== undefined && jobId === jobOf(step))
    )
      continue;
    const wait = (retries.get(key)?.at ?? 0) - performance.now();
    if (wait > 0) {
      earliest = Math.min(earliest ?? wait, wait);
      continue;
    }
    const stop = new AbortController();
    const within: Hold = { ...hold, signal: AbortSignal.any([hold.signal, stop.signal]) };
    const done = performStep(within, situation, step)
      .then(() => void retries.delete(key))
      .catch((error: unknown) => note(hold, key, step, error, progress, stop.signal))
      .finally(() => begun.delete(key));
    begun.set(key, { jobId: jobOf(step), stop, done });
  }
  return earliest;
}

function note(
  hold: Hold,
  key: string,
  step: Step,
  error: unknown,
  progress: Progress,
  stopped: AbortSignal,
): void {
  if (error instanceof LeaseLost) progress.lost = error;
  if (stopped.aborted || hold.signal.aborted || progress.lost !== undefined) return;
  const times = (progress.retries.get(key)?.times ?? 0) + 1;
  const delay = Math.min(retryMs.longest, retryMs.first * 2 ** (times - 1));
  progress.retries.set(key, { times, at: performance.now() + delay });
  const { serviceId } = hold.claim;
  const expected = error instanceof EngineFault;
  hold.deps.logger[expected ? 'warn' : 'error'](
    { err: error, step: step.do, serviceId, times },
    'a step failed; it will be tried again',
  );
}

async function somethingHappens(
  { begun }: Progress,
  hold: Hold,
  asked: () => Promise<void>,
  dueMs: number | undefined,
): Promise<void> {
  const ending = [...begun.values()].map(({ done }) => done);
  await waitForAny([asked(), ...ending], Math.min(dueMs ?? longestWaitMs, longestWaitMs), hold.signal);
}

function keyOf(step: Step): string {
  return `${step.do} ${jobOf(step) ?? ''}`;
}

function jobOf(step: Step): string | undefined {
  return 'jobId' in step ? step.jobId : undefined;
}
