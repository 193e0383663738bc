// Loaders of one operation or one event: what many resolvers ask for one by one is read in one statement. What the
// caller may see is settled in control/loading.ts, where rows are read, so that no path around it exists.
import DataLoader from 'dataloader';
import type { Control } from '../control/control.ts';
import * as loading from '../control/loading.ts';
import type { Caller } from '../model/callers.ts';
import type { Spec } from '../model/spec.ts';
import type { Health } from '../model/status.ts';

export type One<T> = DataLoader<string, T | undefined>;

export interface Loaders {
  readonly environment: One<loading.EnvironmentRow>;
  readonly service: One<loading.ServiceRow>;
  readonly job: One<loading.ShownJob>;
  readonly redeploy: One<loading.RedeployRow>;
  readonly release: One<loading.ReleaseRow>;
  readonly pod: One<loading.PodRow>;
  readonly token: One<loading.TokenRow>;
  readonly site: One<loading.SiteRow>;
  readonly certificate: One<loading.CertificateRow>;
  readonly ticket: One<loading.TicketRow>;
  readonly variables: One<loading.VariableRow[]>;
  readonly workers: One<Record<string, number>>;
  readonly openRedeploy: One<loading.RedeployRow>;
  readonly jobsOfRedeploy: One<loading.ShownJob[]>;
  readonly environmentHealths: One<Health[]>;
  readonly health: DataLoader<loading.ServiceRow, Health | undefined, string>;
  readonly wantedSpec: DataLoader<loading.ServiceRow, Spec | undefined, string>;
  /** Pages of children: one statement for all parents that ask with the same arguments. */
  page<T>(
    name: string,
    parentId: string,
    args: unknown,
    load: (ids: readonly string[]) => Promise<Map<string, T[]>>,
  ): Promise<T[]>;
}

export function makeLoaders(control: Control, caller: Caller | undefined): Loaders {
  const seen = <T>(
    load: (c: Control, caller: Caller | undefined, ids: readonly string[]) => Promise<Map<string, T>>,
  ) => one((ids) => load(control, caller, ids));
  const inner = <T>(load: (c: Control, ids: readonly string[]) => Promise<Map<string, T>>) =>
    one((ids) => load(control, ids));
  const ofServices = <T>(
    load: (c: Control, rows: readonly loading.ServiceRow[]) => Promise<Map<string, T>>,
  ) =>
    new DataLoader<loading.ServiceRow, T | undefined, string>(
      async (rows) => {
        const found = await load(control, rows);
        return rows.map((row) => found.get(row.id));
      },
      { cacheKeyFn: (row) => row.id },
    );
  const pages = new Map<string, One<unknown[]>>();
  return {
    environment: seen(loading.loadEnvironments),
    service: seen(loading.loadServices),
    job: seen(loading.loadJobs),
    redeploy: seen(loading.loadRedeploys),
    release: seen(loading.loadReleases),
    pod: seen(loading.loadPods),
    token: seen(loading.loadTokens),
    site: seen(loading.loadSites),
    certificate: seen(loading.loadCertificates),
    ticket: seen(loading.loadTickets),
    variables: inner(loading.loadVariables),
    workers: inner(loading.loadWorkers),
    openRedeploy: inner(loading.loadOpenRedeploys),
    jobsOfRedeploy: inner(loading.loadJobsOfRedeploys),
    environmentHealths: inner(loading.loadHealthOfEnvironments),
    health: ofServices(loading.loadHealth),
    wantedSpec: ofServices(loading.loadWantedSpecs),
    page: async <T>(
      name: string,
      parentId: string,
      args: unknown,
      load: (ids: readonly string[]) => Promise<Map<string, T[]>>,
    ) => {
      const key = `${name} ${JSON.stringify(args)}`;
      const loader = pages.get(key) ?? one<unknown[]>(load);
      pages.set(key, loader);
      return ((await loader.load(parentId)) ?? []) as T[];
    },
  };
}

function one<T>(load: (ids: readonly string[]) => Promise<Map<string, T>>): One<T> {
  return new DataLoader<string, T | undefined>(async (ids) => {
    const found = await load(ids);
    return ids.map((id) => found.get(id));
  });
}
