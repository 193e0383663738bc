// Certificates that the platform obtains or renews by itself, one replica for all: from an ACME authority, whose questions
// the environment's proxies answer, or signed by itself. Proxies that serve a renewed one take it over without a redeploy.
import { newAccountKey, obtainByAcme } from '../certificates/acme.ts';
import { AcmeFailed } from '../certificates/acme-failure.ts';
import { readCertificate } from '../certificates/check.ts';
import { makeSelfSigned } from '../certificates/self-signed.ts';
import { newId } from '../ids.ts';
import {
  certificateLimits,
  certificateSecret,
  type KeyedChain,
  renewAt,
  selfSignedDays,
} from '../model/certificates.ts';
import {
  type CertificateRow,
  deleteChallenge,
  insertChallenge,
  listCertificatesDue,
  updateCertificate,
} from '../postgres/certificates.ts';
import { type Change, change } from '../postgres/change.ts';
import { hasDuty, takeDuty } from '../postgres/duties.ts';
import { listEnvironmentsById } from '../postgres/environments.ts';
import { readClock } from '../postgres/open.ts';
import { listProxies } from '../postgres/rotation.ts';
import { ensureSecretFact } from '../postgres/secret-facts.ts';
import { listServicesOf } from '../postgres/services.ts';
import { insertSecret } from '../postgres/variables.ts';
import type { Deps } from './deps.ts';
import { askProxies } from './record-job.ts';

const mostAtOnce = 3;
/** Given up after so many tries, over some four days. A renewal is never given up while the old one is valid. */
const mostTries = 10;
const retrySeconds = { first: 60, longest: 24 * 3_600 };
const publishMs = 30_000;
const { renewableBytes } = certificateLimits;

export async function obtainCertificates(deps: Deps, signal: AbortSignal): Promise<void> {
  const { store, replica } = deps;
  const due = await listCertificatesDue(store.db, mostAtOnce);
  if (due.length === 0 || !(await takeDuty(store, replica, 'CERTIFICATES'))) return;
  const keeping = setInterval(() => void takeDuty(store, replica, 'CERTIFICATES').catch(() => {}), 5_000);
  try {
    await Promise.all(due.map((row) => renew(deps, row, signal)));
  } finally {
    clearInterval(keeping);
  }
}

async function renew(deps: Deps, row: CertificateRow, signal: AbortSignal): Promise<void> {
  try {
    await keep(deps, row, await obtain(deps, row, signal));
  } catch (error) {
    if (signal.aborted) return;
    deps.logger.warn({ err: error, certificateId: row.id }, 'a certificate could not be obtained');
    await noteFailure(deps, row, error);
  }
}

async function obtain(deps: Deps, row: CertificateRow, signal: AbortSignal): Promise<KeyedChain> {
  const { store, vault, settings } = deps;
  if (row.source === 'SELF_SIGNED')
    return makeSelfSigned(row.hosts, await readClock(store.db), selfSignedDays);
  const { acmeDirectory: directoryUrl, acmeContact: contact, acmeTrust: trust } = settings;
  if (directoryUrl === undefined)
    throw new Error('The installation has no certificate authority: BERTH_ACME_DIRECTORY is not set.');
  const make = async () => newAccountKey();
  const accountKeyPem = await ensureSecretFact(store, vault, 'authority account key', make);
  const { environmentId } = row;
  const answers = {
    publish: (token: string, answer: string) => publish(deps, environmentId, token, answer, signal),
    withdraw: (token: string) => withdraw(deps, environmentId, token),
  };
  return obtainByAcme({ directoryUrl, accountKeyPem, contact, trust, hosts: row.hosts }, answers, signal);
}

/** Answers when every running proxy of the environment has the answer. */
async function publish(
  deps: Deps,
  environmentId: string,
  token: string,
  answer: string,
  signal: AbortSignal,
): Promise<void> {
  await change(deps, async (current) => {
    await insertChallenge(current.tx, { token, environmentId, answer });
    await askProxies(current, environmentId);
  });
  const end = deps.clock.now() + publishMs;
  for (;;) {
    const proxies = await listProxies(deps.store.db, environmentId);
    if (proxies.length > 0 && proxies.every(({ applied }) => applied?.challenges[token] === answer)) return;
    if (deps.clock.now() > end)
      throw new Error("The environment's service proxy has not taken over the answer to the authority.");
    await deps.clock.sleep(100, signal);
  }
}

async function withdraw(deps: Deps, environmentId: string, token: string): Promise<void> {
  await change(deps, async (current) => {
    await deleteChallenge(current.tx, token);
    await askProxies(current, environmentId);
  });
}

async function keep(deps: Deps, row: CertificateRow, keyed: KeyedChain): Promise<void> {
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

async function noteFailure(deps: Deps, row: CertificateRow, error: unknown): Promise<void> {
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
