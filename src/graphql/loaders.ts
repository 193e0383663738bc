// Loaders of one operation or one event: what many resolvers ask for one by one is read in one statement. What the
// caller may see is settled in control/loading.ts, where rows are read, so that no path around it exists.
import DataLoader from 'dataloader';
import type { FieldNode } from 'graphql';
import type { Control } from '../control/control.ts';
import { loadTimelines, type Moment } from '../control/history.ts';
import * as loading from '../control/loading.ts';
import * as monitoring from '../control/monitoring-loading.ts';
import * as webhooks from '../control/webhook-loading.ts';
import type { Caller } from '../model/callers.ts';
import type { Spec } from '../model/spec.ts';
import type { Health } from '../model/status.ts';

export type One<T> = DataLoader<string, T | undefined>;

/** Something of each parent: the same of every one. */
export interface Asked<V> {
  readonly load: (parentIds: readonly string[]) => Promise<Map<string, V>>;
}

/** Pages of children. */
export interface AskedPages<T> extends Asked<T[]> {
  readonly request: loading.PageRequest;
  readonly keyOf: (row: T) => string;
}

interface Place {
  readonly nodes: readonly FieldNode[];
  readonly asked: object;
}

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
  readonly check: One<loading.CheckRow>;
  readonly incident: One<loading.IncidentRow>;
  readonly timeline: DataLoader<loading.IncidentRow, Moment[] | undefined, string>;
  readonly maintenanceWindow: One<loading.MaintenanceWindowRow>;
  readonly webhook: One<webhooks.WebhookRow>;
  readonly webhookDelivery: One<webhooks.DeliveryRow>;
  readonly webhookAttempts: One<webhooks.AttemptRow[]>;
  readonly formerSecretEnd: One<Date>;
  readonly latestResult: DataLoader<loading.CheckRow, loading.ResultRow | undefined, string>;
  readonly resultEpoch: One<string>;
  readonly variables: One<loading.VariableRow[]>;
  readonly workers: One<Record<string, number>>;
  readonly openRedeploy: One<loading.RedeployRow>;
  readonly jobsOfRedeploy: One<loading.ShownJob[]>;
  readonly environmentHealths: One<Health[]>;
  readonly health: DataLoader<loading.ServiceRow, Health | undefined, string>;
  readonly wantedSpec: DataLoader<loading.ServiceRow, Spec | undefined, string>;
  /** What is asked at one place of the document: told once, and read for all parents in one statement. */
  asked<V, A extends Asked<V>>(
    nodes: readonly FieldNode[],
    tell: () => A & Asked<V>,
  ): A & { readonly rows: One<V> };
}

export function makeLoaders(control: Control, caller: Caller | undefined): Loaders {
  const seen = <T>(
    load: (c: Control, caller: Caller | undefined, ids: readonly string[]) => Promise<Map<string, T>>,
  ) => one((ids) => load(control, caller, ids));
  const inner = <T>(load: (c: Control, ids: readonly string[]) => Promise<Map<string, T>>) =>
    one((ids) => load(control, ids));
  const places = new Map<FieldNode | undefined, Place[]>();
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
    check: seen(monitoring.loadChecks),
    incident: seen(monitoring.loadIncidents),
    timeline: byRow(control, loadTimelines),
    maintenanceWindow: seen(monitoring.loadMaintenanceWindows),
    webhook: seen(webhooks.loadWebhooks),
    webhookDelivery: seen(webhooks.loadDeliveries),
    webhookAttempts: inner(webhooks.loadAttempts),
    formerSecretEnd: inner(webhooks.loadFormerSecretEnds),
    latestResult: byRow(control, monitoring.loadLatestResults),
    resultEpoch: inner(monitoring.loadResultEpochs),
    variables: inner(loading.loadVariables),
    workers: inner(loading.loadWorkers),
    openRedeploy: inner(loading.loadOpenRedeploys),
    jobsOfRedeploy: inner(loading.loadJobsOfRedeploys),
    environmentHealths: inner(loading.loadHealthOfEnvironments),
    health: byRow(control, loading.loadHealth),
    wantedSpec: byRow(control, loading.loadWantedSpecs),
    asked: <V, A extends Asked<V>>(nodes: readonly FieldNode[], tell: () => A & Asked<V>) => {
      const near = places.get(nodes[0]) ?? [];
      let place = near.find((each) => sameNodes(each.nodes, nodes));
      if (place === undefined) {
        const told = tell();
        place = { nodes, asked: { ...told, rows: one<V>(told.load) } };
        places.set(nodes[0], [...near, place]);
      }
      return place.asked as A & { readonly rows: One<V> };
    },
  };
}

/** By rows that were read already. */
function byRow<Row extends { readonly id: string }, T>(
  control: Control,
  load: (c: Control, rows: readonly Row[]) => Promise<Map<string, T>>,
) {
  return new DataLoader<Row, T | undefined, string>(
    async (rows) => {
      const found = await load(control, rows);
      return rows.map((row) => found.get(row.id));
    },
    { cacheKeyFn: (row) => row.id },
  );
}

/** A fragment may stand in several places, merged with other fields in each. */
function sameNodes(a: readonly FieldNode[], b: readonly FieldNode[]): boolean {
  return a.length === b.length && a.every((node, index) => node === b[index]);
}

function one<T>(load: (ids: readonly string[]) => Promise<Map<string, T>>): One<T> {
  return new DataLoader<string, T | undefined>(async (ids) => {
    const found = await load(ids);
    return ids.map((id) => found.get(id));
  });
}
