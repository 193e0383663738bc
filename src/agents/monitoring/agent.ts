// The agent as a whole: opens its store, goes on with the configuration that was kept, serves the control plane, and closes
// in reverse. How a check is run is the caller's to say.
import type { Log } from '../../log.ts';
import { type Clock, systemClock } from './clock.ts';
import { findConfiguration } from './configuration.ts';
import { openResults } from './results.ts';
import { openRoutes } from './routes.ts';
import { openScheduler, type RunCheck } from './scheduler.ts';
import { openServer } from './server.ts';

export interface AgentOptions {
  readonly folder: string;
  readonly host: string;
  readonly port: number;
  readonly serverPem: string;
  readonly authorityPem: string;
  readonly run: RunCheck;
  readonly log: Log;
  readonly clock?: Clock;
  readonly keptResults?: number;
}

export interface Agent {
  readonly port: number;
  /** Rejects when it can't go on. */
  readonly failure: Promise<never>;
  /** Runs under way are ended; results that were made are kept. */
  close(): Promise<void>;
}

export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { folder, run, log, clock = systemClock, keptResults } = options;
  const results = await openResults({
    folder,
    ...(keptResults === undefined ? {} : { keptResults }),
    warn: (sentence) => log.error(sentence),
  });
  const scheduler = openScheduler({ clock, run, made: (result) => results.add(result) });
  const configuration = await findConfiguration(folder).catch((fault: unknown) => {
    log.error({ err: fault }, 'The kept configuration is of no use; the control plane has to give another.');
    return undefined;
  });
  const routes = openRoutes({ folder, results, scheduler, startedAt: clock.stamp(), configuration });
  const server = await openServer({ ...options, routes }).catch(async (fault: unknown) => {
    await results.close();
    throw fault;
  });
  scheduler.configure(configuration?.checks ?? []);
  const { epoch } = results;
  log.info(
    { port: server.port, epoch, lastSeq: results.lastSeq(), checks: configuration?.checks.length ?? 0 },
    'The agent runs.',
  );
  return {
    port: server.port,
    failure: results.failure,
    async close() {
      await server.close();
      await scheduler.stop();
      await results.close();
      log.info({ lastSeq: results.lastSeq() }, 'The agent has stopped.');
    },
  };
}
