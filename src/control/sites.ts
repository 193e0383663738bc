// Sites: made, changed and removed here, in effect with the next redeploy of the environment's service proxy.
import { Conflict, InvalidInput, LimitReached, NotFound } from '../errors.ts';
import { newId } from '../ids.ts';
import type { Caller } from '../model/callers.ts';
import { coversHost } from '../model/certificates.ts';
import {
  checkCorsOrigins,
  checkHost,
  checkSiteLimits,
  mostSites,
  type SiteLimitsInput,
  standardLimits,
} from '../model/sites.ts';
import { findCertificate } from '../postgres/certificates.ts';
import type { Change } from '../postgres/change.ts';
import type { EnvironmentRow } from '../postgres/environments.ts';
import { listServicesById } from '../postgres/services.ts';
import {
  insertSite,
  listSitesById,
  listSitesOf,
  type SitePatch,
  type SiteRow,
  updateSite as writeSite,
} from '../postgres/sites.ts';
import { type Control, type Mutated, mutate } from './control.ts';
import { checkRevision, environmentFor } from './places.ts';
import { refuseForeignHost, refusePublicSuffix, refuseRivals } from './site-hosts.ts';

export type SiteIds = { siteId: string; environmentId: string };

interface SiteFields {
  readonly certificateId?: string | null | undefined;
  readonly limits?: SiteLimitsInput | null | undefined;
  readonly corsOrigins?: readonly string[] | null | undefined;
}

export type CreateSiteInput = SiteFields & {
  readonly environmentId: string;
  readonly host: string;
  readonly serviceId: string;
  readonly idempotencyKey?: string | null | undefined;
};

export function createSite(
  control: Control,
  caller: Caller,
  input: CreateSiteInput,
): Promise<Mutated<SiteIds>> {
  return mutate(control, caller, { name: 'createSite', input }, async (change) => {
    const environment = await environmentFor(change, caller, 'DEPLOY', input.environmentId);
    const host = checkHost(input.host, ['input', 'host']);
    const path = ['input', 'host'];
    refuseForeignHost(control, environment, host, path);
    refusePublicSuffix(host);
    await refuseRivals(change, environment.id, [host], () => path);
    const present = await listSitesOf(change.tx, environment.id);
    if (present.length >= mostSites)
      throw new LimitReached(
        `An environment has at most ${mostSites} sites.`,
        ['input'],
        mostSites,
        present.length,
      );
    const serviceId = await codeServiceOf(change, environment, input.serviceId);
    const fields = await fieldsFrom(change, environment, host, input, newSite);
    const id = newId();
    const row = { limits: standardLimits, corsOrigins: [], ...fields, id, host, serviceId };
    const site = await insertSite(change.tx, { ...row, environmentId: environment.id });
    if (site === undefined)
      throw new Conflict(`The host name ${host} has a site already.`, ['input', 'host']);
    tell(change, caller, site, 'SITE_CREATED', 'createSite', `${caller.tokenName} made the site ${host}.`);
    return { ids: { siteId: id, environmentId: environment.id }, environmentId: environment.id };
  });
}

export type UpdateSiteInput = SiteFields & {
  readonly siteId: string;
  readonly serviceId?: string | null | undefined;
  readonly expectedRevision?: number | null | undefined;
};

/** The certificate is taken away by null and stays when absent. */
export function updateSite(
  control: Control,
  caller: Caller,
  input: UpdateSiteInput,
): Promise<Mutated<SiteIds>> {
  return mutate(control, caller, { name: 'updateSite', input: {} }, async (change) => {
    const { site, environment } = await siteFor(change, caller, input.siteId);
    checkRevision(input.expectedRevision, site.revision);
    const patch: SitePatch = await fieldsFrom(change, environment, site.host, input, site);
    if (input.serviceId != null) patch.serviceId = await codeServiceOf(change, environment, input.serviceId);
    if (Object.keys(patch).length === 0) throw new InvalidInput(['input'], 'must change at least one field.');
    await writeSite(change.tx, site.id, patch);
    const sentence = `${caller.tokenName} changed ${Object.keys(patch).sort().join(', ')} of the site ${site.host}.`;
    tell(change, caller, site, 'SITE_UPDATED', 'updateSite', sentence);
    return { ids: { siteId: site.id, environmentId: environment.id }, environmentId: environment.id };
  });
}

export function deleteSite(
  control: Control,
  caller: Caller,
  input: { readonly siteId: string },
): Promise<Mutated<SiteIds>> {
  return mutate(control, caller, { name: 'deleteSite', input: {} }, async (change) => {
    const { site, environment } = await siteFor(change, caller, input.siteId);
    if (site.own)
      throw new Conflict(`${site.host} is the environment's own public host name; it stays with it.`, [
        'input',
        'siteId',
      ]);
    await writeSite(change.tx, site.id, { deletedAt: new Date() });
    tell(
      change,
      caller,
      site,
      'SITE_DELETED',
      'deleteSite',
      `${caller.tokenName} removed the site ${site.host}.`,
    );
    return { ids: { siteId: site.id, environmentId: environment.id }, environmentId: environment.id };
  });
}

async function siteFor(
  change: Change,
  caller: Caller,
  id: string,
): Promise<{ site: SiteRow; environment: EnvironmentRow }> {
  const path = ['input', 'siteId'];
  const [found] = await listSitesById(change.tx, [id]);
  if (found === undefined) throw new NotFound('site', path);
  const environment = await environmentFor(change, caller, 'DEPLOY', found.environmentId, path, 'site');
  const [site] = await listSitesById(change.tx, [id]);
  if (site === undefined || site.deletedAt !== null) throw new NotFound('site', path);
  return { site, environment };
}

async function codeServiceOf({ tx }: Change, environment: EnvironmentRow, id: string): Promise<string> {
  const path = ['input', 'serviceId'];
  const [service] = await listServicesById(tx, [id]);
  if (service === undefined || service.environmentId !== environment.id || service.deletedAt !== null)
    throw new NotFound('service', path);
  if (service.deletionRequestedAt !== null)
    throw new Conflict(`The service ${service.label} is being deleted.`, path, { type: 'Service', id });
  if (service.type !== 'CODE')
    throw new InvalidInput(path, 'must be a code service: only those answer HTTP.');
  return id;
}

const newSite = { limits: standardLimits, certificateId: null };

async function fieldsFrom(
  { tx }: Change,
  environment: EnvironmentRow,
  host: string,
  input: SiteFields,
  present: Pick<SiteRow, 'limits' | 'certificateId'>,
): Promise<Pick<SitePatch, 'certificateId' | 'limits' | 'corsOrigins'>> {
  const { certificateId, corsOrigins } = input;
  const patch: Pick<SitePatch, 'certificateId' | 'limits' | 'corsOrigins'> = {};
  if (certificateId === null) patch.certificateId = null;
  if (certificateId != null) {
    const path = ['input', 'certificateId'];
    const certificate = await findCertificate(tx, environment.id, certificateId);
    if (certificate === undefined) throw new NotFound('certificate', path);
    if (!coversHost(certificate.hosts, host))
      throw new InvalidInput(path, `must cover ${host}; it covers ${certificate.hosts.join(', ')}.`);
    if (certificate.secretId === null && present.certificateId !== null)
      throw new Conflict(
        `The certificate ${certificate.name} is not ready yet, and ${host} would lose the one it has. Wait for CertificateReady.`,
        path,
        { type: 'Certificate', id: certificateId },
      );
    patch.certificateId = certificateId;
  }
  if (input.limits != null) patch.limits = checkSiteLimits(input.limits, present.limits, ['input', 'limits']);
  if (corsOrigins != null) patch.corsOrigins = checkCorsOrigins(corsOrigins, ['input', 'corsOrigins']);
  return patch;
}

function tell(
  change: Change,
  caller: Caller,
  site: SiteRow,
  type: 'SITE_CREATED' | 'SITE_UPDATED' | 'SITE_DELETED',
  action: string,
  message: string,
): void {
  const { environmentId, serviceId, host } = site;
  change.emit({ environmentId, serviceId, type, data: { host }, message });
  change.audit({ caller, action, environmentId, subjectType: 'Site', subjectId: site.id, after: host });
}
