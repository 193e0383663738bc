// Reading rows for a caller: many at once, and only those the caller may see. An environment out of sight hides
// everything in it.
import { type Caller, sees } from '../model/callers.ts';
import { wantedJobs } from '../model/job-steps.ts';
import type { JobState, JobType } from '../model/jobs.ts';
import type { Spec } from '../model/spec.ts';
import { type Health, serviceHealth } from '../model/status.ts';
import { type AuditRow, pageAudit } from '../postgres/audit.ts';
import { type CertificateRow, listCertificatesById, pageCertificates } from '../postgres/certificates.ts';
import { type CheckRow, listBadStates } from '../postgres/checks.ts';
import { type EnvironmentRow, listEnvironmentsById, pageEnvironments } from '../postgres/environments.ts';
import type { IncidentRow, MaintenanceWindowRow } from '../postgres/incidents.ts';
import {
  countHealthy,
  listJobsById,
  listJobsOfRedeploys,
  pageJobs,
  type ShownJob,
} from '../postgres/jobs.ts';
import {
  findOrganization,
  listPodsById,
  type OrganizationRow,
  type PodRow,
} from '../postgres/organizations.ts';
import type { PageRequest } from '../postgres/pages.ts';
import {
  findOpenRedeploys,
  listRedeploysById,
  listReleasesById,
  pageRedeploys,
  pageReleases,
  type RedeployRow,
  type ReleaseRow,
} from '../postgres/redeploys.ts';
import { wantedSpecs } from '../postgres/request-redeploy.ts';
import type { ResultRow } from '../postgres/result-log.ts';
import { listServicesById, listWorkers, pageServices, type ServiceRow } from '../postgres/services.ts';
import { listSitesById, pageSites, type SiteRow } from '../postgres/sites.ts';
import { listTicketsById, pageTickets, type TicketRow } from '../postgres/tickets.ts';
import { listTokensById, pageTokens, type TokenRow } from '../postgres/tokens.ts';
import { listVariables, type VariableRow } from '../postgres/variables.ts';
import type { Control } from './control.ts';
import { visibleEnvironments } from './visibility.ts';

export type {
  AuditRow,
  CertificateRow,
  CheckRow,
  EnvironmentRow,
  IncidentRow,
  MaintenanceWindowRow,
  OrganizationRow,
  PageRequest,
  PodRow,
  RedeployRow,
  ReleaseRow,
  ResultRow,
  ServiceRow,
  ShownJob,
  SiteRow,
  TicketRow,
  TokenRow,
  VariableRow,
};

type Ids = readonly string[];
type ById<T> = Promise<Map<string, T>>;

export async function loadEnvironments(
  control: Control,
  caller: Caller | undefined,
  ids: Ids,
): ById<EnvironmentRow> {
  const rows = await listEnvironmentsById(control.store.db, ids);
  return byId(rows.filter((row) => caller !== undefined && sees(caller, { ...row, environmentId: row.id })));
}

export async function loadServices(control: Control, caller: Caller | undefined, ids: Ids): ById<ServiceRow> {
  const rows = await listServicesById(control.store.db, ids);
  return byId(await visible(control, caller, rows));
}

export async function loadJobs(control: Control, caller: Caller | undefined, ids: Ids): ById<ShownJob> {
  const rows = await listJobsById(control.store.db, ids);
  return byId(await visible(control, caller, rows));
}

export async function loadRedeploys(
  control: Control,
  caller: Caller | undefined,
  ids: Ids,
): ById<RedeployRow> {
  const rows = await listRedeploysById(control.store.db, ids);
  return byId(await visible(control, caller, rows));
}

export async function loadSites(control: Control, caller: Caller | undefined, ids: Ids): ById<SiteRow> {
  return byId(await visible(control, caller, await listSitesById(control.store.db, ids)));
}

export async function loadCertificates(
  control: Control,
  caller: Caller | undefined,
  ids: Ids,
): ById<CertificateRow> {
  return byId(await visible(control, caller, await listCertificatesById(control.store.db, ids)));
}

export async function loadTickets(control: Control, caller: Caller | undefined, ids: Ids): ById<TicketRow> {
  return byId(await visible(control, caller, await listTicketsById(control.store.db, ids)));
}

export function sitesPage(control: Control, ids: Ids, request: PageRequest) {
  return pageSites(control.store.db, ids, request);
}

export function certificatesPage(control: Control, ids: Ids, request: PageRequest) {
  return pageCertificates(control.store.db, ids, request);
}

export function ticketsPage(control: Control, ids: Ids, open: boolean | undefined, request: PageRequest) {
  return pageTickets(control.store.db, ids, open, request);
}

export async function visible<T extends { readonly environmentId: string }>(
  control: Control,
  caller: Caller | undefined,
  rows: readonly T[],
): Promise<T[]> {
  const environments = await visibleEnvironments(
    control,
    caller,
    rows.map((row) => row.environmentId),
  );
  return rows.filter((row) => environments.has(row.environmentId));
}

/** Seen with their service. */
export async function loadReleases(control: Control, caller: Caller | undefined, ids: Ids): ById<ReleaseRow> {
  const rows = await listReleasesById(control.store.db, ids);
  const services = await loadServices(control, caller, [...new Set(rows.map((row) => row.serviceId))]);
  return byId(rows.filter((row) => services.has(row.serviceId)));
}

export async function loadPods(control: Control, caller: Caller | undefined, ids: Ids): ById<PodRow> {
  return caller === undefined ? new Map() : byId(await listPodsById(control.store.db, ids));
}

/** Tokens of the caller's organization, for those who manage them. */
export async function loadTokens(control: Control, caller: Caller | undefined, ids: Ids): ById<TokenRow> {
  const rows = await listTokensById(control.store.db, ids);
  return byId(rows.filter((row) => caller !== undefined && seesToken(caller, row)));
}

function seesToken(caller: Caller, row: TokenRow): boolean {
  if (row.id === caller.tokenId) return true;
  const bound = caller.environmentId === null || caller.environmentId === row.environmentId;
  return caller.scopes.includes('admin') && caller.organizationId === row.organizationId && bound;
}

export function organizationOf(control: Control, caller: Caller): Promise<OrganizationRow | undefined> {
  return findOrganization(control.store.db, caller.organizationId);
}

export function environmentsPage(
  control: Control,
  caller: Caller,
  request: PageRequest,
): Promise<EnvironmentRow[]> {
  return pageEnvironments(control.store.db, caller.organizationId, caller.environmentId, request);
}

export function tokensPage(control: Control, caller: Caller, request: PageRequest): Promise<TokenRow[]> {
  const { organizationId, environmentId, tokenId: ownId } = caller;
  const manages = caller.scopes.includes('admin') && caller.scopes.includes('read');
  const others = !manages ? 'NONE' : environmentId === null ? 'ALL' : { environmentId };
  return pageTokens(control.store.db, { organizationId, ownId, others }, request);
}

export function servicesPage(control: Control, ids: Ids, type: string | undefined, request: PageRequest) {
  return pageServices(control.store.db, ids, type, request);
}

export interface JobFilter {
  readonly types?: readonly JobType[] | null;
  readonly states?: readonly JobState[] | null;
}

export function jobsPage(control: Control, ids: Ids, filter: JobFilter, request: PageRequest) {
  return pageJobs(control.store.db, ids, filter, request);
}

export function redeploysPage(
  control: Control,
  of: 'service' | 'environment',
  ids: Ids,
  request: PageRequest,
) {
  return pageRedeploys(control.store.db, of, ids, request);
}

export function releasesPage(control: Control, ids: Ids, request: PageRequest) {
  return pageReleases(control.store.db, ids, request);
}

export function auditPage(control: Control, ids: Ids, request: PageRequest) {
  return pageAudit(control.store.db, ids, request);
}

export function loadVariables(control: Control, serviceIds: Ids): ById<VariableRow[]> {
  return listVariables(control.store.db, serviceIds);
}

export function loadWorkers(control: Control, serviceIds: Ids): ById<Record<string, number>> {
  return listWorkers(control.store.db, serviceIds);
}

export function loadOpenRedeploys(control: Control, serviceIds: Ids): ById<RedeployRow> {
  return findOpenRedeploys(control.store.db, serviceIds);
}

export function loadWantedSpecs(control: Control, services: readonly ServiceRow[]): ById<Spec | undefined> {
  return wantedSpecs(control.store.db, services);
}

/** Jobs that took part in each of these redeploys. */
export function loadJobsOfRedeploys(control: Control, redeployIds: Ids): ById<ShownJob[]> {
  return listJobsOfRedeploys(control.store.db, redeployIds);
}

/** From jobs and checks, by one rule, wherever it is shown. */
export async function loadHealth(control: Control, services: readonly ServiceRow[]): ById<Health> {
  const ids = services.map((service) => service.id);
  const { db } = control.store;
  const [open, healthy, workers, bad] = await Promise.all([
    findOpenRedeploys(db, ids),
    countHealthy(db, ids),
    listWorkers(db, ids),
    listBadStates(db, ids),
  ]);
  return new Map(
    services.map((service) => {
      const spec = service.runningSpec;
      const wanted = spec && wantedJobs(spec, workers.get(service.id) ?? {});
      const facts = {
        stopped: service.stopped,
        failing: service.failingSince !== null,
        redeploying: open.has(service.id),
        wanted: wanted === null ? null : wanted.reduce((sum, { count }) => sum + count, 0),
        healthy: healthy.get(service.id) ?? 0,
        failingChecks: bad.get(service.id)?.length ?? 0,
      };
      return [service.id, serviceHealth(facts)];
    }),
  );
}

/** Living services of each environment, for its status. */
export async function loadHealthOfEnvironments(control: Control, environmentIds: Ids): ById<Health[]> {
  const all = { after: undefined, before: undefined, limit: 1_000, backward: false };
  const pages = await pageServices(control.store.db, environmentIds, undefined, all);
  const healths = await loadHealth(control, [...pages.values()].flat());
  return new Map(
    environmentIds.map((id) => [
      id,
      (pages.get(id) ?? []).flatMap((service) => healths.get(service.id) ?? []),
    ]),
  );
}

export function byId<T extends { readonly id: string }>(rows: readonly T[]): Map<string, T> {
  return new Map(rows.map((row) => [row.id, row]));
}
