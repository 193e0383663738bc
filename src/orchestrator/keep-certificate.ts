// What comes of trying to obtain a certificate: it is kept, and running proxies take it over, or the failure is told, and when
// it is tried again.
import { AcmeFailed } from '../certificates/acme-failure.ts';
import { readCertificate } from '../certificates/check.ts';
import { newId } from '../ids.ts';
import { certificateLimits, certificateSecret, type KeyedChain, renewAt } from '../model/certificates.ts';
import { type CertificateRow, updateCertificate } from '../postgres/certificates.ts';
import { type Change, change } from '../postgres/change.ts';
import { hasDuty } from '../postgres/duties.ts';
import { listEnvironmentsById } from '../postgres/environments.ts';
import { readClock } from '../postgres/open.ts';
import { listServicesOf } from '../postgres/services.ts';
import { insertSecret } from '../postgres/variables.ts';
import type { Deps } from './deps.ts';
import { askProxies } from './record-job.ts';

/** Given up after so many tries, over some four days. A renewal is never given up while the old one is valid. */
const mostTries = 10;
const retrySeconds = { first: 60, longest: 24 * 3_600 };
const { renewableBytes } = certificateLimits;

export async function keepCertificate(deps: Deps, row: CertificateRow, keyed: KeyedChain): Promise<void> {
  const { environmentId, id } = row;
  const { pem, subjectHosts, fingerprint, issuer, notBefore, notAfter } = readCertificate(keyed);
  if (pem.length > renewableBytes)
    throw new Error(
      `With its chain it has ${pem.length} bytes; ${renewableBytes} is what a service proxy takes over while it runs. Ask for fewer hosts in one.`,
    );
  await change(deps, async (current) => {
    if (!(await hasDuty(current.tx, deps.replica, 'CERTIFICATES'))) return;
    const secretId = await keepSecret(deps, current, environmentId, id, pem);
    const facts = { hosts: [...subjectHosts], secretId, fingerprint, issuer, notBefore, notAfter };
    const dueAt = renewAt(notBefore, notAfter);
    const set = { ...facts, state: 'READY', failure: null, tries: 0, dueAt } as const;
    if ((await updateCertificate(current.tx, id, set)) === undefined) return;
    await askProxies(current, environmentId);
    current.emit({
      environmentId,
      type: 'CERTIFICATE_READY',
      data: { certificateId: id, notAfter: notAfter.toISOString() },
      message: `The certificate ${row.name} was ${row.secretId === null ? 'obtained' : 'renewed'}; it is valid until ${notAfter.toISOString().slice(0, 10)}.`,
    });
  });
}

async function keepSecret(
  { store, vault }: Deps,
  { tx }: Change,
  environmentId: string,
  certificateId: string,
  value: string,
): Promise<string> {
  const [environment] = await listEnvironmentsById(store.db, [environmentId]);
  const proxy = (await listServicesOf(tx, environmentId)).find((each) => each.type === 'SERVICE_PROXY');
  if (environment === undefined || proxy === undefined)
    throw new Error('The environment has no service proxy any more.');
  const { organizationId } = environment;
  const secretId = newId();
  const secret = { name: certificateSecret(certificateId), value, secretId };
  await insertSecret(tx, vault, { organizationId, environmentId, serviceId: proxy.id }, secret);
  return secretId;
}

export async function noteFailure(deps: Deps, row: CertificateRow, error: unknown): Promise<void> {
  const { environmentId, id } = row;
  const failure = error instanceof Error ? error.message : String(error);
  const tries = row.tries + 1;
  const givenUp = row.secretId === null && tries >= mostTries;
  const backOff = Math.min(retrySeconds.longest, retrySeconds.first * 3 ** (tries - 1));
  const asked = error instanceof AcmeFailed ? (error.retryAfterSeconds ?? 0) : 0;
  await change(deps, async (current) => {
    if (!(await hasDuty(current.tx, deps.replica, 'CERTIFICATES'))) return;
    const now = await readClock(current.tx);
    const dueAt = givenUp ? null : new Date(now.getTime() + Math.max(asked, backOff) * 1000);
    const state = givenUp ? 'FAILED' : row.state;
    const updated = await updateCertificate(current.tx, id, { failure, tries, dueAt, state });
    if (updated === undefined) return;
    const next = dueAt === null ? 'It is not tried again.' : `It is tried again at ${dueAt.toISOString()}.`;
    current.emit({
      environmentId,
      type: 'CERTIFICATE_FAILED',
      data: { certificateId: id, reason: failure },
      message: `The certificate ${row.name} could not be ${row.secretId === null ? 'obtained' : 'renewed'}. ${failure} ${next}`,
    });
  });
}
