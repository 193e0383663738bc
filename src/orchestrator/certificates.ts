// Certificates that the platform obtains or renews by itself, one replica for all: from an ACME authority, whose questions
// the environment's proxies answer, or signed by itself. Proxies that serve a renewed one take it over without a redeploy.
import { newAccountKey, obtainByAcme } from '../certificates/acme.ts';
import { makeSelfSigned } from '../certificates/self-signed.ts';
import { type KeyedChain, selfSignedDays } from '../model/certificates.ts';
import {
  type CertificateRow,
  deleteChallenge,
  insertChallenge,
  listCertificatesDue,
} from '../postgres/certificates.ts';
import { change } from '../postgres/change.ts';
import { hasDuty, takeDuty } from '../postgres/duties.ts';
import { readClock } from '../postgres/open.ts';
import { LeaseLost } from '../postgres/replicas.ts';
import { listProxies } from '../postgres/rotation.ts';
import { ensureSecretFact } from '../postgres/secret-facts.ts';
import { findRivalSite } from '../postgres/sites.ts';
import type { Deps } from './deps.ts';
import { keepCertificate, noteFailure } from './keep-certificate.ts';
import { performTask } from './points.ts';
import { askProxies } from './record-job.ts';

const mostAtOnce = 3;
const publishMs = 30_000;
const lookEveryMs = 3_000;

/** A few at a time, one of an environment: what an authority leaves hanging holds up nobody else's. */
export async function obtainCertificates(deps: Deps, signal: AbortSignal): Promise<void> {
  const underWay = new Map<string, Promise<void>>();
  while (!signal.aborted) {
    try {
      await beginDue(deps, underWay, signal);
    } catch (error) {
      if (!signal.aborted) deps.logger.error({ err: error }, 'obtaining certificates failed; it goes on');
    }
    await deps.clock.sleep(lookEveryMs, signal).catch(() => {});
  }
  await Promise.all(underWay.values());
}

/** Certificates by environment: those that are being obtained keep the duty as well. */
async function beginDue(
  deps: Deps,
  underWay: Map<string, Promise<void>>,
  signal: AbortSignal,
): Promise<void> {
  const { store, replica } = deps;
  const due = await listCertificatesDue(store.db, mostAtOnce - underWay.size, [...underWay.keys()]);
  if (due.length + underWay.size === 0 || !(await takeDuty(store, replica, 'CERTIFICATES'))) return;
  for (const row of due) {
    const { environmentId } = row;
    const done = renew(deps, row, signal).finally(() => underWay.delete(environmentId));
    underWay.set(environmentId, done);
  }
}

async function renew(deps: Deps, row: CertificateRow, signal: AbortSignal): Promise<void> {
  const { logger } = deps;
  const effect = () => obtain(deps, row, signal);
  try {
    await performTask(deps, 'OBTAIN_CERTIFICATE', effect, (keyed) => keepCertificate(deps, row, keyed));
  } catch (error) {
    if (signal.aborted) return;
    logger.warn({ err: error, certificateId: row.id }, 'a certificate could not be obtained');
    await noteFailure(deps, row, error).catch((fault: unknown) =>
      logger.error({ err: fault, certificateId: row.id }, 'that could not be noted; it is tried again'),
    );
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
  // A host may have moved since it was asked for: what was proven for one environment proves nothing for another.
  const rival = await findRivalSite(store.db, environmentId, row.hosts);
  if (rival !== undefined) throw new Error('Another environment has a site of one of its hosts by now.');
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
  const insert = async () => {
    await change(deps, async (current) => {
      if (!(await hasDuty(current.tx, deps.replica, 'CERTIFICATES')))
        throw new LeaseLost('the duty to obtain certificates has passed to another');
      await insertChallenge(current.tx, { token, environmentId, answer });
      await askProxies(current, environmentId);
    });
  };
  const taken = async () => {
    const end = deps.clock.now() + publishMs;
    for (;;) {
      const proxies = await listProxies(deps.store.db, environmentId);
      if (proxies.length > 0 && proxies.every(({ applied }) => applied?.challenges[token] === answer)) return;
      if (deps.clock.now() > end)
        throw new Error("The environment's service proxy has not taken over the answer to the authority.");
      await deps.clock.sleep(100, signal);
    }
  };
  await performTask(deps, 'PUBLISH_ANSWER', insert, taken);
}

/** Another replica that has the duty by now may rely on the same answer. */
async function withdraw(deps: Deps, environmentId: string, token: string): Promise<void> {
  await change(deps, async (current) => {
    if (!(await hasDuty(current.tx, deps.replica, 'CERTIFICATES'))) return;
    await deleteChallenge(current.tx, environmentId, token);
    await askProxies(current, environmentId);
  });
}
