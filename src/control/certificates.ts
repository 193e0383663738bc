// Certificates of an environment: uploaded, signed by itself for a sandbox, or asked for of an authority, which the
// orchestrator then obtains and renews. A new one takes effect with the redeploy of the service proxy; a renewed one at once.
import { type CheckedCertificate, checkCertificate, readCertificate } from '../certificates/check.ts';
import { makeSelfSigned } from '../certificates/self-signed.ts';
import { Conflict, InvalidInput, LimitReached, NotFound, Refusal } from '../errors.ts';
import { newId } from '../ids.ts';
import type { Caller } from '../model/callers.ts';
import {
  type CertificateSource,
  certificateLimits,
  certificateSecret,
  renewAt,
  selfSignedDays,
} from '../model/certificates.ts';
import { checkName } from '../model/rules.ts';
import { checkHost } from '../model/sites.ts';
import {
  type CertificateRow,
  countCertificates,
  findCertificate,
  insertCertificate,
  listCertificatesById,
  listHostsServedWith,
  updateCertificate,
} from '../postgres/certificates.ts';
import type { Change } from '../postgres/change.ts';
import type { EnvironmentRow } from '../postgres/environments.ts';
import { readClock } from '../postgres/open.ts';
import { listServicesOf } from '../postgres/services.ts';
import { insertSecret } from '../postgres/variables.ts';
import { type Control, type Mutated, mutate } from './control.ts';
import { environmentFor } from './places.ts';
import { refuseForeignHost, refuseRivals } from './site-hosts.ts';

export type CertificateIds = { certificateId: string; environmentId: string };

const mostCertificates = 200;
const { hostsPerOrder, hostCharacters } = certificateLimits;

export interface UploadCertificateInput {
  readonly environmentId: string;
  readonly name: string;
  /** PEM, leaf first. */
  readonly chain: string;
  readonly privateKey: string;
  readonly idempotencyKey?: string | null | undefined;
}

export function uploadCertificate(
  control: Control,
  caller: Caller,
  input: UploadCertificateInput,
): Promise<Mutated<CertificateIds>> {
  return mutate(control, caller, { name: 'uploadCertificate', input }, async (change) => {
    const environment = await placeFor(change, caller, input.environmentId);
    const name = checkName(input.name, ['input', 'name']);
    const { chain, privateKey } = input;
    const now = await readClock(change.tx);
    const checked = under(['input'], () => checkCertificate({ chain, privateKey, now }));
    return add(control, caller, change, environment, { name, source: 'UPLOADED' }, checked);
  });
}

export interface RequestCertificateInput {
  readonly environmentId: string;
  readonly name: string;
  readonly source: Exclude<CertificateSource, 'UPLOADED'>;
  readonly hosts: readonly string[];
  readonly idempotencyKey?: string | null | undefined;
}

/** SELF_SIGNED is ready at once and for sandboxes alone; ACME is obtained afterwards, and told of by events. */
export function requestCertificate(
  control: Control,
  caller: Caller,
  input: RequestCertificateInput,
): Promise<Mutated<CertificateIds>> {
  return mutate(control, caller, { name: 'requestCertificate', input }, async (change) => {
    const environment = await placeFor(change, caller, input.environmentId);
    const name = checkName(input.name, ['input', 'name']);
    const hosts = checkHosts(input.hosts);
    if (input.source === 'ACME') {
      const pathOf = (index: number) => ['input', 'hosts', String(index)];
      for (const [index, host] of hosts.entries())
        refuseForeignHost(control, environment, host, pathOf(index));
      await refuseRivals(change, environment.id, hosts, pathOf);
      return addPending(control, caller, change, environment, name, hosts);
    }
    if (environment.kind !== 'SANDBOX')
      throw new InvalidInput(
        ['input', 'source'],
        'must be ACME in a production environment: no browser trusts a self-signed certificate.',
      );
    const made = await makeSelfSigned(hosts, await readClock(change.tx), selfSignedDays);
    return add(control, caller, change, environment, { name, source: 'SELF_SIGNED' }, readCertificate(made));
  });
}

export function checkSource(source: CertificateSource): Exclude<CertificateSource, 'UPLOADED'> {
  if (source !== 'UPLOADED') return source;
  throw new InvalidInput(
    ['input', 'source'],
    'must be ACME or SELF_SIGNED; use uploadCertificate to bring one.',
  );
}

export function deleteCertificate(
  control: Control,
  caller: Caller,
  input: { readonly certificateId: string },
): Promise<Mutated<CertificateIds>> {
  return mutate(control, caller, { name: 'deleteCertificate', input: {} }, async (change) => {
    const path = ['input', 'certificateId'];
    const [found] = await listCertificatesById(change.tx, [input.certificateId]);
    if (found === undefined) throw new NotFound('certificate', path);
    const { environmentId, id: certificateId } = found;
    await environmentFor(change, caller, 'DEPLOY', environmentId, path, 'certificate');
    const row = await findCertificate(change.tx, environmentId, certificateId);
    if (row === undefined) throw new NotFound('certificate', path);
    const served = await listHostsServedWith(change.tx, certificateId);
    if (served.length > 0)
      throw new Conflict(
        `Sites are served with it: ${served.join(', ')}. Give them another one first.`,
        path,
      );
    await updateCertificate(change.tx, certificateId, { deletedAt: new Date(), dueAt: null });
    change.emit({
      environmentId,
      type: 'CERTIFICATE_DELETED',
      data: { certificateId },
      message: `${caller.tokenName} removed the certificate ${row.name}.`,
    });
    audit(change, caller, environmentId, certificateId, 'deleteCertificate');
    return { ids: { certificateId, environmentId }, environmentId };
  });
}

async function placeFor(change: Change, caller: Caller, environmentId: string): Promise<EnvironmentRow> {
  const environment = await environmentFor(change, caller, 'DEPLOY', environmentId);
  const present = await countCertificates(change.tx, environmentId);
  if (present < mostCertificates) return environment;
  throw new LimitReached(
    `An environment has at most ${mostCertificates} certificates.`,
    ['input'],
    mostCertificates,
    present,
  );
}

function checkHosts(values: readonly string[]): string[] {
  const path = ['input', 'hosts'];
  if (values.length === 0 || values.length > hostsPerOrder)
    throw new InvalidInput(path, `must be 1 to ${hostsPerOrder} host names.`);
  const characters = values.reduce((sum, value) => sum + value.length, 0);
  if (characters > hostCharacters)
    throw new InvalidInput(
      path,
      `must be at most ${hostCharacters} characters together and have ${characters}: a longer certificate can't be renewed while the service proxy runs. Ask for several.`,
    );
  const hosts = values.map((value, index) => {
    const at = [...path, String(index)];
    const host = checkHost(value, at);
    if (!host.startsWith('.')) return host;
    throw new InvalidInput(at, `must be a host name; for ${host} give those that are to be covered.`);
  });
  return [...new Set(hosts)];
}

async function add(
  control: Control,
  caller: Caller,
  change: Change,
  environment: EnvironmentRow,
  kind: Pick<CertificateRow, 'name' | 'source'>,
  checked: CheckedCertificate,
): Promise<{ ids: CertificateIds; environmentId: string }> {
  const { id: environmentId, organizationId } = environment;
  const { pem, subjectHosts, fingerprint, issuer, notBefore, notAfter } = checked;
  const id = newId();
  const secretId = newId();
  const proxy = await proxyOf(change, environmentId);
  const secret = { name: certificateSecret(id), value: pem, secretId };
  await insertSecret(change.tx, control.vault, { organizationId, environmentId, serviceId: proxy }, secret);
  const facts = { hosts: [...subjectHosts], secretId, fingerprint, issuer, notBefore, notAfter };
  const dueAt = kind.source === 'SELF_SIGNED' ? renewAt(notBefore, notAfter) : null;
  await insertCertificate(change.tx, { id, environmentId, ...kind, state: 'READY', ...facts, dueAt });
  tellAdded(change, caller, environmentId, id, kind, facts.hosts);
  return { ids: { certificateId: id, environmentId }, environmentId };
}

async function addPending(
  { settings }: Control,
  caller: Caller,
  change: Change,
  environment: EnvironmentRow,
  name: string,
  hosts: string[],
): Promise<{ ids: CertificateIds; environmentId: string }> {
  if (settings.acmeDirectory === undefined)
    throw new Conflict(
      'This installation has no certificate authority. Its operator sets one: BERTH_ACME_DIRECTORY.',
      ['input', 'source'],
    );
  const { id: environmentId } = environment;
  await proxyOf(change, environmentId);
  const id = newId();
  const row = { id, environmentId, name, hosts, source: 'ACME', state: 'PENDING' } as const;
  await insertCertificate(change.tx, { ...row, dueAt: await readClock(change.tx) });
  tellAdded(change, caller, environmentId, id, row, hosts);
  change.nudge('due');
  return { ids: { certificateId: id, environmentId }, environmentId };
}

/** Its secrets are kept with the proxy that serves them. */
async function proxyOf({ tx }: Change, environmentId: string): Promise<string> {
  const proxy = (await listServicesOf(tx, environmentId)).find((each) => each.type === 'SERVICE_PROXY');
  if (proxy !== undefined) return proxy.id;
  throw new Conflict('The environment has no service proxy.', ['input', 'environmentId']);
}

function tellAdded(
  change: Change,
  caller: Caller,
  environmentId: string,
  certificateId: string,
  { name, source }: Pick<CertificateRow, 'name' | 'source'>,
  hosts: string[],
): void {
  change.emit({
    environmentId,
    type: 'CERTIFICATE_ADDED',
    data: { certificateId, hosts },
    message: `${caller.tokenName} added the certificate ${name} for ${hosts.join(', ')}.`,
  });
  const action = source === 'UPLOADED' ? 'uploadCertificate' : 'requestCertificate';
  audit(change, caller, environmentId, certificateId, action);
}

function audit(change: Change, caller: Caller, environmentId: string, id: string, action: string): void {
  change.audit({ caller, action, environmentId, subjectType: 'Certificate', subjectId: id });
}

/** The certificates room names its own fields. */
function under<T>(path: readonly string[], work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== 'INVALID') throw error;
    throw new InvalidInput([...path, ...error.inputPath], error.message);
  }
}
