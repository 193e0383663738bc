// Attending to one service: decide from what is written down, begin every step that can be begun, and decide again
// whenever one has ended, something was asked for, or a time has come. Returns when nothing is left to do. What a step
// has written is known without reading; whatever else may have changed is read again when somebody asks, and every second.

import { type Clock, waitForAny } from '../clock.ts';
import { isAlive } from '../model/jobs.ts';
import { proxySteps } from '../model/proxy-steps.ts';
import { nextSteps } from '../model/redeploy.ts';
import { steadySteps, taskSteps } from '../model/steady.ts';
import { LeaseLost } from '../postgres/replicas.ts';
import { ProxyFault } from '../proxy/runtime-api.ts';
import { EngineFault, ForeignObject } from '../runtime/runtime.ts';
import type { Hold, Outcome, Recording } from './deps.ts';
import { goOn } from './go-on.ts';
import {
  readSituation,
  redeploySituation,
  type Situation,
  steadySituation,
  withWritten,
} from './situation.ts';
import { performStep, type Step } from './steps.ts';

const longestWaitMs = 1_000;
const longestGoodbyeMs = 2_000;
const neverFires = new AbortController().signal;
const retryMs = { first: 250, longest: 5_000 };

export interface Attended {
  /** When to look again without being asked; null: only when asked. */
  readonly dueAt: Date | null;
  /** Undefined: there is no such service any more, and whatever was asked for says nothing. */
  readonly seenAttention: number | undefined;
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
  /** What to decide from; undefined when it has to be read. */
  known: Known | undefined;
  /** The running jobs were looked at on the engine since this was asked for. */
  seenAttention: number;
  lost: Error | undefined;
}

interface Known {
  situation: Situation;
  /** By the clock of `performance`: when its reading began, and when it had ended. */
  readonly readAt: number;
  readonly hadAt: number;
  /** Answers when something was asked for since. */
  readonly asked: Promise<void>;
  stale: boolean;
  /** It holds rows that a step has written since it was read. */
  written: boolean;
}

/** The services that are attended to beside this one. */
export interface Crowd {
  /** Told whether all that is under way here is waiting for jobs to be healthy. */
  waits(is: boolean): void;
  /** There are so many that who only waits is patient with what is asked for elsewhere. */
  isDense(): boolean;
}

export async function attend(hold: Hold, asked: () => Promise<void>, crowd: Crowd): Promise<Attended> {
  const { clock } = hold.deps;
  const begun = new Map<string, Begun>();
  const progress: Progress = {
    ...{ begun, retries: new Map(), known: undefined, seenAttention: -1, lost: undefined },
  };
  try {
    for (;;) {
      hold.signal.throwIfAborted();
      if (progress.lost !== undefined) throw progress.lost;
      const { known, seenAttention } = progress;
      const patient = isWaiting(begun) && crowd.isDense();
      if (known === undefined || (patient ? isOld(known, clock) : isStale(known, clock))) {
        const underWay = [...begun.keys()];
        const read = await readKnown(hold, asked);
        if (read === undefined) return { dueAt: null, seenAttention: undefined };
        // A step that ended while it was read may or may not be in it: read again before beginning anything.
        progress.known = underWay.every((key) => begun.has(key)) ? read : undefined;
        continue;
      }
      const situation = asOfNow(known, clock);
      const { steps, waitUntil } = decide(hold, situation, progress);
      const due = begin(hold, situation, steps, progress);
      // Who only waits to try again holds up nobody: with an engine that doesn't answer that is everybody.
      crowd.waits(begun.size === 0 || isWaiting(begun));
      const hints = isWaiting(begun) && crowd.isDense() ? [] : [known.asked];
      if (begun.size > 0 || due !== undefined) await somethingHappens(begun, hold, hints, due);
      else if (known.written) progress.known = undefined;
      else return { dueAt: waitUntil ?? null, seenAttention };
    }
  } finally {
    for (const { stop } of begun.values()) stop.abort();
    // A stop may take its whole grace period. Nothing that is left behind here writes or begins anything any more.
    const ended = Promise.allSettled([...begun.values()].map(({ done }) => done));
    await waitForAny([ended], longestGoodbyeMs, neverFires, hold.deps.clock);
  }
}

/** Listens first, then reads: what is asked for meanwhile makes it stale. Undefined when there is no such service. */
async function readKnown(hold: Hold, asked: () => Promise<void>): Promise<Known | undefined> {
  const heard = asked();
  let stale = false;
  void heard.then(() => {
    stale = true;
    if (known !== undefined) known.stale = true;
  });
  let known: Known | undefined;
  const { clock } = hold.deps;
  const readAt = clock.now();
  const situation = await readSituation(hold);
  known = situation && { situation, readAt, hadAt: clock.now(), asked: heard, stale, written: false };
  return known;
}

/** Hints may be lost: whatever was read is read again after a while. */
function isStale(known: Known, clock: Clock): boolean {
  return known.stale || isOld(known, clock);
}

function isOld({ readAt }: Known, clock: Clock): boolean {
  return clock.now() - readAt > longestWaitMs;
}

function isWaiting(begun: Progress['begun']): boolean {
  return begun.size > 0 && [...begun.keys()].every((key) => key.startsWith('VERIFY_JOB '));
}

/** The database's clock was read at some moment before `hadAt`: so it is never thought to be later than it is. */
function asOfNow({ situation, hadAt }: Known, clock: Clock): Situation {
  return { ...situation, now: new Date(situation.now.getTime() + clock.now() - hadAt) };
}

function decide(
  { deps }: Hold,
  situation: Situation,
  { seenAttention, retries }: Progress,
): { steps: Step[]; waitUntil: Date | undefined } {
  const { redeploy, service, jobs } = situation;
  const { healthySeconds } = deps.settings;
  const deleting = service.deletionRequestedAt !== null;
  const proxying = proxyStepsOf(situation);
  const main: Step[] =
    redeploy !== undefined && !deleting
      ? [...nextSteps(redeploySituation(situation, redeploy, healthySeconds)), ...taskSteps(jobs)]
      : steadySteps(steadySituation(situation, healthySeconds));
  // Ended jobs' containers are cleared away when no redeploy is in a hurry or too many are left; before all of the service
  // goes, they must be, and before anybody else writes to its volume: the engine may hear late of being asked to start one.
  const uncleaned = jobs.filter((job) => !isAlive(job) && !job.cleaned);
  const unhurried =
    service.hasVolume ||
    uncleaned.length > service.scale ||
    (redeploy === undefined &&
      main.every(({ do: step }) => step === 'VERIFY_JOB' || step === 'WAIT' || step === 'CLEAR_AWAY'));
  const cleaning = (unhurried ? uncleaned : []).map((job): Step => ({ do: 'CLEAN_JOB', jobId: job.id }));
  const waitsForIt = (step: Step) =>
    step.do === 'CLEAR_AWAY' || (service.hasVolume && step.do === 'START_JOB');
  const wanted = main.filter((step) => !(waitsForIt(step) && cleaning.length > 0));
  const waits = wanted.flatMap((step) => (step.do === 'WAIT' ? [step.until.getTime()] : []));
  const waitUntil = waits.length === 0 ? undefined : new Date(Math.min(...waits));
  const steps = [...wanted.filter((step) => step.do !== 'WAIT'), ...proxying, ...cleaning];
  if (service.attention === seenAttention) return { steps, waitUntil };
  // A look holds up no step, but nothing counts as good before it; an engine that doesn't answer holds up nothing at all.
  const held = steps.filter(
    (step) => retries.has('LOOK') || !(step.do === 'END' && step.state === 'SUCCEEDED'),
  );
  return { steps: [{ do: 'LOOK' }, ...held], waitUntil };
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
    const wait = (retries.get(key)?.at ?? 0) - hold.deps.clock.now();
    if (wait > 0) {
      earliest = Math.min(earliest ?? wait, wait);
      continue;
    }
    const stop = new AbortController();
    const within: Hold = {
      ...hold,
      signal: AbortSignal.any([hold.signal, stop.signal]),
      goOn: (change, outcome) => writeAlong(hold, progress, change, outcome),
    };
    const done = performStep(within, situation, step)
      .then((outcome) => {
        retries.delete(key);
        if (step.do === 'LOOK') progress.seenAttention = situation.service.attention;
        learn(progress, outcome);
      })
      .catch((error: unknown) => note(hold, key, step, error, progress, stop.signal))
      .finally(() => begun.delete(key));
    begun.set(key, { jobId: jobOf(step), stop, done });
  }
  return earliest;
}

/** Not before everything was looked at that should be: what goes on here decides as well. */
async function writeAlong(
  hold: Hold,
  { known, seenAttention, lost }: Progress,
  change: Recording,
  outcome: Outcome,
): Promise<Outcome> {
  if (outcome === undefined || known === undefined || isStale(known, hold.deps.clock) || lost !== undefined)
    return outcome;
  if (known.situation.service.attention !== seenAttention) return outcome;
  return goOn(change, asOfNow(known, hold.deps.clock), outcome, hold.deps.settings.healthySeconds);
}

/** What a step has written is known from now on; without its word it has to be read. */
function learn(progress: Progress, outcome: Outcome): void {
  const { known } = progress;
  if (known === undefined || outcome === undefined) {
    progress.known = undefined;
    return;
  }
  known.situation = withWritten(known.situation, outcome);
  known.written = true;
}

function note(
  hold: Hold,
  key: string,
  step: Step,
  error: unknown,
  progress: Progress,
  stopped: AbortSignal,
): void {
  progress.known = undefined;
  if (error instanceof LeaseLost) progress.lost = error;
  if (stopped.aborted || hold.signal.aborted || progress.lost !== undefined) return;
  const times = (progress.retries.get(key)?.times ?? 0) + 1;
  const delay = Math.min(retryMs.longest, retryMs.first * 2 ** (times - 1));
  progress.retries.set(key, { times, at: hold.deps.clock.now() + delay });
  const { serviceId } = hold.claim;
  // A stranger that has taken the name of a container of ours is seen by the next look.
  const expected = [EngineFault, ForeignObject, ProxyFault].some((kind) => error instanceof kind);
  hold.deps.logger[expected ? 'warn' : 'error'](
    { err: error, step: step.do, serviceId, times },
    'a step failed; it will be tried again',
  );
}

async function somethingHappens(
  begun: ReadonlyMap<string, Begun>,
  hold: Hold,
  hints: readonly Promise<void>[],
  dueMs: number | undefined,
): Promise<void> {
  const ending = [...begun.values()].map(({ done }) => done);
  const longest = Math.min(dueMs ?? longestWaitMs, longestWaitMs);
  await waitForAny([...hints, ...ending], longest, hold.signal, hold.deps.clock);
}

function keyOf(step: Step): string {
  // Looking for the cause of one failure must not hold up another: a deadline above all.
  if (step.do === 'FAIL') return `FAIL ${step.because.kind}`;
  const proxy = 'proxyId' in step ? step.proxyId : '';
  return `${step.do} ${jobOf(step) ?? proxy}`.trim();
}

function proxyStepsOf({ routed, jobs }: Situation): Step[] {
  return routed === undefined ? [] : proxySteps(jobs, routed.wanted, routed.draining);
}

function jobOf(step: Step): string | undefined {
  return 'jobId' in step ? step.jobId : undefined;
}
