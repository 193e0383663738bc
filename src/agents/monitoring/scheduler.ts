// Runs the checks that are configured, each at its turns (turns.ts), never twice at a time: who isn't back when his next
// turn comes misses that turn. Knows neither what a check looks at nor where results go.
import pLimit from 'p-limit';
import type { ConfiguredCheck, MadeResult } from '../../model/monitoring/agent.ts';
import { cut, type Observation } from '../../model/monitoring/observations.ts';
import { type Agenda, newAgenda } from './agenda.ts';
import type { Clock } from './clock.ts';
import { dueAt, type Rhythm, rhythmOf, turnAfter } from './turns.ts';

export type NewResult = Omit<MadeResult, 'seq'>;

/** One look of a check; ends soon after the signal fires. */
export type RunCheck = (check: ConfiguredCheck, signal: AbortSignal) => Promise<Observation>;

export interface SchedulerDeps {
  readonly clock: Clock;
  readonly run: RunCheck;
  made(result: NewResult): void;
  /** Runs at a time; beyond it they wait for one to end. */
  readonly mostAtOnce?: number;
}

export interface Scheduler {
  /** These and no others from now on. What is unchanged keeps its turns and its run; runs of all others end unheard. */
  configure(checks: readonly ConfiguredCheck[]): void;
  /** Now, or as soon as its present run is over. False when there is no such check. */
  runNow(checkId: string): boolean;
  /** Ends everything; results of runs that were under way are not made. */
  stop(): Promise<void>;
}

/** Enough for all of 1,000 checks every 10 s to hang for 2.5 s each. */
const standardAtOnce = 256;
/** A run that ignores its signal is given up so long after it, for else its check would never be heard of again. */
const graceMs = 2_000;

interface Entry {
  readonly check: ConfiguredCheck;
  /** By which a changed check is known. */
  readonly text: string;
  readonly rhythm: Rhythm;
  readonly removal: AbortController;
  due: number;
  /** Waits for its place among those at once, or runs. */
  running: boolean;
  askedAgain: boolean;
}

export function openScheduler(deps: SchedulerDeps): Scheduler {
  const { clock } = deps;
  const limit = pLimit(deps.mostAtOnce ?? standardAtOnce);
  const underWay = new Set<Promise<void>>();
  let entries = new Map<string, Entry>();
  let agenda: Agenda<Entry> = newAgenda();
  let callOff = (): void => {};

  function wake(): void {
    for (let next = agenda.first(); next !== undefined && next.due <= clock.now(); next = agenda.first()) {
      agenda.take();
      start(next);
      next.due = dueAt(next.rhythm, turnAfter(next.rhythm, clock.now()));
      agenda.add(next);
    }
    callOff();
    const first = agenda.first();
    callOff = first === undefined ? () => {} : clock.wakeAt(first.due, wake);
  }

  function start(entry: Entry): void {
    if (entry.running) return;
    entry.running = true;
    const run = limit(() => perform(deps, entry)).finally(() => {
      underWay.delete(run);
      entry.running = false;
      if (!entry.askedAgain || entry.removal.signal.aborted) return;
      entry.askedAgain = false;
      start(entry);
    });
    underWay.add(run);
  }

  function configure(checks: readonly ConfiguredCheck[]): void {
    const before = entries;
    entries = new Map(checks.map((check) => [check.id, entryOf(check, before.get(check.id), clock.now())]));
    for (const [id, entry] of before) if (entries.get(id) !== entry) entry.removal.abort();
    agenda = newAgenda();
    for (const entry of entries.values()) agenda.add(entry);
    wake();
  }

  return {
    configure,
    runNow(checkId) {
      const entry = entries.get(checkId);
      if (entry === undefined) return false;
      if (entry.running) entry.askedAgain = true;
      else start(entry);
      return true;
    },
    async stop() {
      configure([]);
      await Promise.all(underWay);
    },
  };
}

function entryOf(check: ConfiguredCheck, before: Entry | undefined, now: number): Entry {
  const text = JSON.stringify(check);
  if (before?.text === text) return before;
  const rhythm = rhythmOf(check.id, check.intervalSeconds * 1000);
  const due = dueAt(rhythm, turnAfter(rhythm, now));
  const removal = new AbortController();
  return { check, text, rhythm, removal, due, running: false, askedAgain: false };
}

async function perform({ clock, run, made }: SchedulerDeps, { check, removal }: Entry): Promise<void> {
  const removed = removal.signal;
  if (removed.aborted) return;
  const startedAt = clock.stamp().toISOString();
  const began = clock.now();
  const late = new AbortController();
  const timeoutAt = began + check.timeoutSeconds * 1000;
  const callOffs = [clock.wakeAt(timeoutAt, () => late.abort())];
  const given = Promise.withResolvers<Observation>();
  callOffs.push(clock.wakeAt(timeoutAt + graceMs, () => given.resolve(unknown('It did not end in time.'))));
  const onRemoved = () => given.resolve(unknown('It was removed.'));
  removed.addEventListener('abort', onRemoved);
  const signal = AbortSignal.any([removed, late.signal]);
  const looked = run(check, signal).catch((fault: unknown) =>
    unknown(`It could not be run (${nameOf(fault)}).`),
  );
  const { state, output, metrics } = await Promise.race([looked, given.promise]);
  for (const callOff of callOffs) callOff();
  // An entry lasts as long as its check: nothing of one run may hang on it.
  removed.removeEventListener('abort', onRemoved);
  given.resolve(unknown(''));
  if (removed.aborted) return;
  const durationMs = Math.round(clock.now() - began);
  made({ checkId: check.id, startedAt, durationMs, state, output: cut(output), metrics });
}

function unknown(output: string): Observation {
  return { state: 'UNKNOWN', output, metrics: [] };
}

/** Not its message, for nobody knows whether a credential stands in it. */
function nameOf(fault: unknown): string {
  return fault instanceof Error ? fault.name : 'unknown fault';
}
