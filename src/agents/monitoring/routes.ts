// What the agent does for each request of the protocol (src/model/monitoring/agent.ts), and which it refuses.
import pLimit from 'p-limit';
import { z } from 'zod';
import { Refusal, Stale } from '../../errors.ts';
import { type AgentStatus, type Configuration, monitoringAgent } from '../../model/monitoring/agent.ts';
import { keepConfiguration, parseConfiguration, parseJson, valid } from './configuration.ts';
import type { Results } from './results.ts';
import type { Scheduler } from './scheduler.ts';

export interface RequestSeen {
  readonly query: Readonly<Record<string, string>>;
  readonly body: string;
  /** Fires when the client has gone or the agent stops. */
  readonly signal: AbortSignal;
}

/** Throws a Refusal for what the client has to do otherwise. */
export type Route = (request: RequestSeen) => Promise<object>;

/** By method and path. */
export type Routes = ReadonlyMap<string, Route>;

export interface RoutesDeps {
  readonly folder: string;
  readonly results: Results;
  readonly scheduler: Scheduler;
  readonly startedAt: Date;
  /** As it was kept, if there is one. */
  readonly configuration: Configuration | undefined;
}

const number = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,16}$/)
    .transform(Number)
    .pipe(z.int().min(least).max(most));

const asked = z
  .strictObject({
    epoch: z.string().min(1).max(100).optional(),
    after: number(0, Number.MAX_SAFE_INTEGER).optional(),
    limit: number(1, monitoringAgent.mostResults).default(monitoringAgent.mostResults),
    wait: number(0, monitoringAgent.longestWaitMs).default(0),
  })
  .refine(
    ({ epoch, after }) => (epoch === undefined) === (after === undefined),
    'epoch and after are given together or not at all',
  );

export function openRoutes({ folder, results, scheduler, startedAt, configuration }: RoutesDeps): Routes {
  let current = configuration ?? { revision: 0, checks: [] };
  const inTurn = pLimit(1);
  return new Map<string, Route>(
    Object.entries<Route>({
      'PUT /configuration': ({ body }) =>
        inTurn(async () => {
          const given = parseConfiguration(body);
          if (given.revision < current.revision)
            throw new Stale(`Revision ${current.revision} is kept, which is a later one.`, ['revision']);
          await keepConfiguration(folder, given);
          current = given;
          scheduler.configure(given.checks);
          return { revision: given.revision };
        }),
      'GET /results': ({ query, signal }) => {
        const { epoch, after, limit, wait } = valid(asked, query);
        const position = epoch === undefined || after === undefined ? undefined : { epoch, after };
        return results.take(position, limit, wait, signal);
      },
      'POST /runs': async ({ body }) => {
        const { checkId } = valid(z.strictObject({ checkId: z.string() }), parseJson(body));
        if (!scheduler.runNow(checkId))
          throw new Refusal('NOT_FOUND', 'There is no check with this id.', ['checkId']);
        return { checkId };
      },
      'GET /status': async () =>
        ({
          epoch: results.epoch,
          lastSeq: results.lastSeq(),
          revision: current.revision,
          checks: current.checks.length,
          startedAt: startedAt.toISOString(),
        }) satisfies AgentStatus,
    }),
  );
}
