// An environment with one of everything in it: a code service that runs a release with a worker target, a spare one, a
// cache with an open redeploy, jobs alive and ended, sites with a certificate, tickets, a token bound to it. Rows as the
// orchestrator would have written them.
import { createCheck } from '../../src/control/checks.ts';
import type { Control } from '../../src/control/control.ts';
import { createService } from '../../src/control/create-service.ts';
import { createEnvironment } from '../../src/control/environments.ts';
import { hashToken, makeToken } from '../../src/control/tokens.ts';
import { newId } from '../../src/ids.ts';
import type { Caller } from '../../src/model/callers.ts';
import type { JobState } from '../../src/model/jobs.ts';
import { standardLimits } from '../../src/model/sites.ts';
import { insertCertificate } from '../../src/postgres/certificates.ts';
import { listChecksOf } from '../../src/postgres/checks.ts';
import { insertIncident, insertMaintenanceWindow } from '../../src/postgres/incidents.ts';
import { insertJobs } from '../../src/postgres/jobs.ts';
import { insertRedeploy, insertRelease, updateRedeploy } from '../../src/postgres/redeploys.ts';
import { wantedSpec } from '../../src/postgres/request-redeploy.ts';
import { listServicesById, saveWorkerCount, updateService } from '../../src/postgres/services.ts';
import { insertSite, listSitesOf } from '../../src/postgres/sites.ts';
import { webhookDeliveries } from '../../src/postgres/tables/webhooks.ts';
import { insertTicket } from '../../src/postgres/tickets.ts';
import { insertToken } from '../../src/postgres/tokens.ts';
import { insertWebhook } from '../../src/postgres/webhooks.ts';
import { globalId } from './api.ts';

/** Global ids of what is in it, and its namespace. */
export interface Furnished {
  readonly namespace: string;
  readonly Environment: string;
  readonly Service: string;
  readonly spare: string;
  readonly cache: string;
  readonly Redeploy: string;
  readonly openRedeploy: string;
  readonly Release: string;
  readonly Job: string;
  readonly endedJob: string;
  readonly build: string;
  readonly Token: string;
  readonly Variable: string;
  /** Served with the certificate. */
  readonly Site: string;
  /** Of the environment's own host name. */
  readonly ownSite: string;
  readonly Certificate: string;
  /** Open, of kind OTHER. */
  readonly SupportTicket: string;
  readonly endedTicket: string;
  /** HTTP, made by a user, with an open incident. */
  readonly Check: string;
  readonly builtInCheck: string;
  readonly Incident: string;
  readonly endedIncident: string;
  readonly MaintenanceWindow: string;
  readonly endedWindow: string;
  readonly Webhook: string;
  readonly WebhookDelivery: string;
  readonly disabledWebhook: string;
  /** Of the disabled one. */
  readonly heldDelivery: string;
}

export async function furnish(control: Control, caller: Caller, namespace: string): Promise<Furnished> {
  const { ids } = await createEnvironment(control, caller, { name: namespace, namespace, kind: 'SANDBOX' });
  const { environmentId } = ids;
  const variables = [{ name: 'GREETING', value: 'Hello there' }];
  const code = { environmentId, type: 'CODE' as const, workerLimit: 3 };
  const service = await createService(control, caller, { ...code, label: 'web', variables });
  const spare = await createService(control, caller, { ...code, label: 'spare' });
  const cache = await createService(control, caller, {
    ...{ environmentId, type: 'CACHE', label: 'cache', runtime: 'REDIS' },
  });
  const { serviceId } = service.ids;
  const made = await deployed(control, environmentId, serviceId);
  const token = await boundToken(control, caller, environmentId);
  const reached = await withSites(control, environmentId, namespace, serviceId);
  return {
    namespace,
    ...made,
    ...reached,
    ...(await withTickets(control, environmentId)),
    ...(await withChecks(control, caller, environmentId, serviceId)),
    ...(await withWebhooks(control, environmentId)),
    Environment: globalId('Environment', environmentId),
    Service: globalId('Service', serviceId),
    spare: globalId('Service', spare.ids.serviceId),
    cache: globalId('Service', cache.ids.serviceId),
    openRedeploy: globalId('Redeploy', 'redeployId' in cache.ids ? cache.ids.redeployId : ''),
    Token: globalId('Token', token),
    Variable: globalId('Variable', `${serviceId}/GREETING`),
  };
}

/** Ids that are well formed and of nothing. */
export function nowhere(): Furnished {
  const of = (type: string) => globalId(type, newId());
  return {
    namespace: 'nowhere',
    Environment: of('Environment'),
    ...{ Service: of('Service'), spare: of('Service'), cache: of('Service') },
    ...{ Redeploy: of('Redeploy'), openRedeploy: of('Redeploy'), Release: of('Release') },
    ...{ Job: of('Job'), endedJob: of('Job'), build: of('Job'), Token: of('Token') },
    Variable: globalId('Variable', `${newId()}/GREETING`),
    ...{ Site: of('Site'), ownSite: of('Site'), Certificate: of('Certificate') },
    ...{ SupportTicket: of('SupportTicket'), endedTicket: of('SupportTicket') },
    ...{ Check: of('Check'), builtInCheck: of('Check') },
    ...{ Incident: of('Incident'), endedIncident: of('Incident') },
    ...{ MaintenanceWindow: of('MaintenanceWindow'), endedWindow: of('MaintenanceWindow') },
    ...{ Webhook: of('Webhook'), disabledWebhook: of('Webhook') },
    ...{ WebhookDelivery: of('WebhookDelivery'), heldDelivery: of('WebhookDelivery') },
  };
}

async function deployed(control: Control, environmentId: string, serviceId: string) {
  return control.store.db.transaction(async (tx) => {
    const at = { environmentId, serviceId };
    const [releaseId, buildJobId, redeployId] = [newId(), newId(), newId()];
    const commands = { web: 'node web.js', mailer: 'node mailer.js', clock: 'node clock.js' };
    const commit = 'c0ffee'.padEnd(40, '0');
    const job = (state: JobState, more: object) => ({
      ...at,
      id: newId(),
      image: 'sha256:1',
      state,
      ...more,
    });
    const build = { id: buildJobId, type: 'BUILD' as const, commit, cleaned: true };
    await insertJobs(tx, [{ ...job('FINISHED', {}), ...build }]);
    const release = { id: releaseId, serviceId, commit, subject: 'Begin', imageId: 'sha256:1' };
    await insertRelease(tx, { ...release, language: 'node', commands, buildJobId });
    await updateService(tx, serviceId, { releaseId });
    const [row] = await listServicesById(tx, [serviceId]);
    const spec = row && (await wantedSpec(tx, row));
    if (spec === undefined) throw new Error('a service with a release has a spec');
    const asked = { id: redeployId, ...at, reason: 'CODE_PUSH' as const, requestedBy: 'test', changes: [] };
    const more = { strategy: spec.strategy, state: 'QUEUED' as const, spec, deadlineSeconds: 600 };
    await insertRedeploy(tx, { ...asked, ...more });
    await updateRedeploy(tx, redeployId, { state: 'SUCCEEDED', endedAt: new Date() });
    const running = { runningRedeployId: redeployId, runningSpec: spec, runningImageId: 'sha256:1' };
    await updateService(tx, serviceId, running);
    await saveWorkerCount(tx, serviceId, 'mailer', 1);
    const deploy = { type: 'DEPLOY' as const, redeployId, releaseId, spec };
    const living = { ...job('RUNNING', {}), ...deploy, health: 'HEALTHY' as const };
    const ended = { ...job('FAILED', {}), ...deploy, exitCode: 1, cleaned: true };
    await insertJobs(tx, [living, ended]);
    return {
      Redeploy: globalId('Redeploy', redeployId),
      Release: globalId('Release', releaseId),
      Job: globalId('Job', living.id),
      endedJob: globalId('Job', ended.id),
      build: globalId('Job', buildJobId),
    };
  });
}

async function withSites(control: Control, environmentId: string, namespace: string, serviceId: string) {
  return control.store.db.transaction(async (tx) => {
    const host = `shop.${namespace}.example`;
    const facts = { name: 'Shop', source: 'UPLOADED' as const, state: 'READY' as const, hosts: [host] };
    const certificate = await insertCertificate(tx, { id: newId(), environmentId, ...facts });
    const at = { environmentId, limits: standardLimits, corsOrigins: [] };
    const served = { host, serviceId, certificateId: certificate.id };
    const site = await insertSite(tx, { id: newId(), ...at, ...served });
    const ownHost = `${namespace}.${control.settings.domain}`;
    const own =
      (await insertSite(tx, { id: newId(), ...at, host: ownHost, own: true })) ??
      (await listSitesOf(tx, environmentId)).find((each) => each.own);
    if (site === undefined || own === undefined) throw new Error('the sites were not made');
    return {
      Site: globalId('Site', site.id),
      ownSite: globalId('Site', own.id),
      Certificate: globalId('Certificate', certificate.id),
    };
  });
}

async function withTickets(control: Control, environmentId: string) {
  return control.store.db.transaction(async (tx) => {
    const asked = { environmentId, kind: 'OTHER' as const, text: 'A question', openedBy: 'test' };
    const open = await insertTicket(tx, { id: newId(), ...asked });
    const ended = { state: 'REJECTED' as const, resolvedBy: 'test', resolvedAt: new Date() };
    const other = await insertTicket(tx, { id: newId(), ...asked, ...ended });
    return {
      SupportTicket: globalId('SupportTicket', open.id),
      endedTicket: globalId('SupportTicket', other.id),
    };
  });
}

async function withChecks(control: Control, caller: Caller, environmentId: string, serviceId: string) {
  const given = { serviceId, name: 'front page', settings: { HTTP: {} } };
  const { checkId } = (await createCheck(control, caller, given)).ids;
  return control.store.db.transaction(async (tx) => {
    const builtIn = (await listChecksOf(tx, environmentId)).find((each) => each.serviceId === serviceId);
    const seen = { environmentId, serviceId, checkId, worst: 'CRITICAL' as const, output: 'It hangs.' };
    const at = (minutes: number) => new Date(Date.now() - minutes * 60_000);
    const ended = await insertIncident(tx, {
      ...{ id: newId(), ...seen, state: 'RESOLVED', openedAt: at(9) },
      ...{ resolvedAt: at(8), resolution: 'RECOVERED' },
    });
    const open = await insertIncident(tx, { id: newId(), ...seen, openedAt: at(1) });
    const planned = { environmentId, createdBy: 'test' };
    const past = { startsAt: at(9), endsAt: at(8) };
    const over = await insertMaintenanceWindow(tx, { id: newId(), ...planned, ...past });
    const coming = { startsAt: at(-60), endsAt: at(-90) };
    const next = await insertMaintenanceWindow(tx, { id: newId(), ...planned, ...coming });
    return {
      Check: globalId('Check', checkId),
      builtInCheck: globalId('Check', builtIn?.id ?? ''),
      Incident: globalId('Incident', open.id),
      endedIncident: globalId('Incident', ended.id),
      MaintenanceWindow: globalId('MaintenanceWindow', next.id),
      endedWindow: globalId('MaintenanceWindow', over.id),
    };
  });
}

async function withWebhooks(control: Control, environmentId: string) {
  return control.store.db.transaction(async (tx) => {
    const [open, disabled] = [newId(), newId()];
    const at = { environmentId, url: 'https://hooks.example.org/', description: 'Alarms', seq: 2 };
    const off = { enabled: false, disabledReason: 'GONE' as const, disabledAt: new Date() };
    await insertWebhook(tx, { id: open, ...at });
    await insertWebhook(tx, { id: disabled, ...at, ...off });
    const made = [open, disabled].map((webhookId) => ({ id: newId(), webhookId }));
    const ended = { seq: 1, eventType: 'ENVIRONMENT_CREATED' as const, state: 'SUCCEEDED' as const };
    await tx.insert(webhookDeliveries).values(made.map((each) => ({ ...each, ...ended })));
    return {
      Webhook: globalId('Webhook', open),
      disabledWebhook: globalId('Webhook', disabled),
      WebhookDelivery: globalId('WebhookDelivery', made[0]?.id ?? ''),
      heldDelivery: globalId('WebhookDelivery', made[1]?.id ?? ''),
    };
  });
}

async function boundToken(control: Control, caller: Caller, environmentId: string): Promise<string> {
  const row = await insertToken(control.store.db, {
    ...{ id: newId(), organizationId: caller.organizationId, environmentId, name: 'bound' },
    ...{ hash: hashToken(makeToken()), scopes: ['read' as const], createdBy: 'test' },
  });
  return row.id;
}
