// Taking in what the environments' monitors have made, by one replica for all. Each monitor is asked in a loop of its own: it
// is told what to check whenever that has changed, and its results are taken by its cursor. A batch and the cursor behind it
// are one transaction, so that whoever dies at any point, each result is kept once and in order. A monitor that isn't heard
// of is told of as CRITICAL.
import { waitForAny } from '../clock.ts';
import { containerName } from '../model/jobs.ts';
import type { Taken } from '../model/monitoring/agent.ts';
import type { NewResult } from '../model/monitoring/results.ts';
import { change } from '../postgres/change.ts';
import { hasDuty, takeDuty } from '../postgres/duties.ts';
import { waitForEnvironment } from '../postgres/environments.ts';
import { findStream, listMonitors, lockStream, type Monitor, updateStream } from '../postgres/monitors.ts';
import { recordResults } from '../postgres/record-results.ts';
import type { Deps } from './deps.ts';
import { type MonitorClient, openMonitorClient, type Taking } from './monitor-client.ts';
import { wantedConfiguration } from './monitor-configuration.ts';
import { type MonitorVoice, newVoice, noteLost, noteSilence, silenceMs } from './monitor-silence.ts';
import { answerRunRequests } from './run-requests.ts';

/** While anything is monitored or asked to be run; otherwise, and without the duty, as often as that is renewed. */
const lookEveryMs = 1_000;
const renewEveryMs = 5_000;
const longestWaitMs = 10_000;
const againMs = 1_000;

/** One monitor as this replica follows it. */
interface Followed {
  monitor: Monitor;
  readonly voice: MonitorVoice;
  readonly stop: AbortController;
  /** Ends the wait for results, because there may be something to tell. */
  wake: AbortController;
  client: MonitorClient | undefined;
}

export async function watchMonitors(
  deps: Deps,
  asked: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const followed = new Map<string, Followed>();
  const following = new Set<Promise<void>>();
  let heldUntil = 0;
  while (!signal.aborted) {
    let busy = false;
    const wakened = asked();
    try {
      const now = deps.clock.now();
      if (now >= heldUntil)
        heldUntil = (await takeDuty(deps.store, deps.replica, 'MONITORING')) ? now + renewEveryMs : 0;
      const monitors = heldUntil === 0 ? [] : await listMonitors(deps.store.db);
      leaveGone(followed, monitors);
      for (const monitor of monitors) {
        const known = followed.get(monitor.environmentId);
        if (known !== undefined) {
          look(known, monitor);
          continue;
        }
        const begun = newFollowed(deps, monitor);
        followed.set(monitor.environmentId, begun);
        const done: Promise<void> = follow(deps, begun, AbortSignal.any([signal, begun.stop.signal])).finally(
          () => following.delete(done),
        );
        following.add(done);
      }
      for (const { monitor, voice } of followed.values()) await noteSilence(deps, monitor, voice);
      const waiting =
        heldUntil !== 0 && (await answerRunRequests(deps, (id) => followed.get(id)?.client, signal));
      busy = waiting || monitors.length > 0;
    } catch (error) {
      if (!signal.aborted) deps.logger.error({ err: error }, 'the watch on monitors failed; it goes on');
    }
    const pause = busy ? lookEveryMs : renewEveryMs;
    await waitForAny([wakened], pause, signal, deps.clock);
  }
  await Promise.allSettled(following);
}

function newFollowed(deps: Deps, monitor: Monitor): Followed {
  const [stop, wake] = [new AbortController(), new AbortController()];
  return { monitor, voice: newVoice(deps.clock.now()), stop, wake, client: undefined };
}

/** Those whose service is gone, or all when the duty is another's. */
function leaveGone(followed: Map<string, Followed>, monitors: readonly Monitor[]): void {
  const there = new Set(monitors.map(({ environmentId }) => environmentId));
  for (const [id, each] of followed) {
    if (there.has(id)) continue;
    each.stop.abort();
    followed.delete(id);
  }
}

function look(known: Followed, monitor: Monitor): void {
  const before = known.monitor;
  known.monitor = monitor;
  if (before.eventSeq !== monitor.eventSeq || before.jobId !== monitor.jobId) known.wake.abort();
}

async function follow(deps: Deps, followed: Followed, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const { jobId, address, environmentId } = followed.monitor;
    if (jobId !== null && address !== null) {
      const client = openMonitorClient(deps.controlKeys, { name: containerName(jobId), address });
      followed.client = client;
      try {
        await converse(deps, followed, client, jobId, signal);
      } catch (error) {
        // Silence is told of by itself; a monitor that is being replaced says nothing for a moment.
        if (!signal.aborted)
          deps.logger[followed.voice.stuck ? 'error' : 'info'](
            { err: error, environmentId },
            followed.voice.stuck ? 'results of a monitor could not be kept' : 'a monitor could not be asked',
          );
      } finally {
        followed.client = undefined;
        client.close();
      }
    }
    await deps.clock.sleep(againMs, signal).catch(() => {});
  }
}

/** As long as this job runs and answers. */
async function converse(
  deps: Deps,
  followed: Followed,
  client: MonitorClient,
  jobId: string,
  signal: AbortSignal,
): Promise<void> {
  const { environmentId } = followed.monitor;
  let from = await takenUpTo(deps, environmentId);
  let seenEvents = -1;
  // Asked several times before it counts as silent.
  const waitMs = Math.min(longestWaitMs, Math.floor(silenceMs(deps) / 3));
  while (!signal.aborted && followed.monitor.jobId === jobId) {
    followed.wake = new AbortController();
    const { eventSeq } = followed.monitor;
    if (eventSeq !== seenEvents) {
      const wanted = await wantedConfiguration(deps, environmentId);
      // Asked each time: what wakes us must not pass for a sign of its life.
      await tell(deps, environmentId, client, wanted);
      seenEvents = eventSeq;
      if (!followed.voice.stuck) followed.voice.heardAt = deps.clock.now();
    }
    const taken = await client.take(from, waitMs, AbortSignal.any([signal, followed.wake.signal]));
    if (taken === undefined) continue;
    // Of what it says is made use only once it is kept.
    followed.voice.stuck = true;
    from = await keep(deps, environmentId, from, taken);
    followed.voice.stuck = false;
    followed.voice.heardAt = deps.clock.now();
  }
}

async function tell(
  deps: Deps,
  environmentId: string,
  client: MonitorClient,
  wanted: Awaited<ReturnType<typeof wantedConfiguration>>,
): Promise<void> {
  const { revision } = await client.status();
  if (revision === wanted.revision) return;
  // Told by a database that was since set back: what is wanted now gets a number behind it with the next look.
  if (revision > wanted.revision)
    await updateStream(deps.store.db, environmentId, {
      configurationRevision: revision,
      configurationDigest: '',
    });
  await client.configure(wanted);
}

async function takenUpTo(deps: Deps, environmentId: string): Promise<Taking | undefined> {
  const stream = await findStream(deps.store.db, environmentId);
  return stream?.takenEpoch == null ? undefined : { epoch: stream.takenEpoch, seq: stream.takenSeq };
}

/** Answers with up to where it is taken now. Throws when somebody else was there first. */
async function keep(
  deps: Deps,
  environmentId: string,
  from: Taking | undefined,
  { epoch, results }: Taken,
): Promise<Taking | undefined> {
  const last = results.at(-1)?.seq;
  if (last === undefined && from?.epoch === epoch) return from;
  // Of a store that was begun anew, the numbers begin anew.
  const after = from?.epoch === epoch ? from.seq : 0;
  const first = results[0]?.seq ?? after + 1;
  const taking = { epoch, seq: last ?? after };
  const made = results.map(
    ({ seq: _seq, startedAt, ...result }): NewResult => ({
      ...result,
      startedAt: new Date(startedAt),
      source: 'MONITOR',
    }),
  );
  await change(deps, async (current) => {
    const { tx } = current;
    await waitForEnvironment(tx, environmentId);
    if (!(await hasDuty(tx, deps.replica, 'MONITORING'))) throw new Error('another replica has the duty');
    const stream = await lockStream(tx, environmentId);
    const unmoved = stream?.takenEpoch === (from?.epoch ?? null) && stream?.takenSeq === (from?.seq ?? 0);
    if (!unmoved) throw new Error('these results were taken by somebody else');
    await recordResults(current, environmentId, made);
    await updateStream(tx, environmentId, { takenEpoch: taking.epoch, takenSeq: taking.seq });
  });
  if (first > after + 1) await noteLost(deps, environmentId, first - after - 1);
  return taking;
}
