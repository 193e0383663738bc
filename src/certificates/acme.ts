// Certificates from an ACME authority (RFC 8555), proven by HTTP-01. A run keeps nothing: after a crash the caller starts
// it again with the same account key, gets the same account, and what the authority still counts as proven is not asked
// again. When to try, and where keys and chains are kept, is the caller's.
import { crypto as acmeCrypto, Client, type Order } from 'acme-client';
import { InvalidInput } from '../errors.ts';
import { certificateLimits, coversHost, type KeyedChain } from '../model/certificates.ts';
import { AcmeFailed, clean, sentenceOf } from './acme-failure.ts';
import { poll } from './acme-poll.ts';
import { type ChallengeAnswers, proveHosts } from './acme-proof.ts';
import { withinRules } from './acme-requests.ts';
import { readCertificate } from './check.ts';
import { newKeyPem } from './keys.ts';

export interface AcmeOrder {
  readonly directoryUrl: string;
  /** From `newAccountKey`; the account is made with the first run and is the same ever after. */
  readonly accountKeyPem: string;
  /** A mail address for the authority's warnings. */
  readonly contact?: string | undefined;
  readonly hosts: readonly string[];
  /** Roots for the directory's TLS beside those that Node trusts, as PEM. */
  readonly trust?: string | undefined;
  readonly limits?: Partial<AcmeLimits>;
}

export interface AcmeLimits {
  /** For one request with its answer. */
  readonly requestSeconds: number;
  /** For all hosts to be verified, from the moment the authority is told to. */
  readonly proofSeconds: number;
  /** From the finished proof to the certificate. */
  readonly issueSeconds: number;
}

const standardLimits: AcmeLimits = { requestSeconds: 30, proofSeconds: 120, issueSeconds: 120 };

/** A new account key, ECDSA P-256 in PKCS #8; a secret. */
export function newAccountKey(): string {
  return newKeyPem();
}

/** Throws InvalidInput for hosts that HTTP-01 can't prove, AcmeFailed for what the authority didn't give, or the signal's reason. */
export async function obtainByAcme(
  order: AcmeOrder,
  challenge: ChallengeAnswers,
  signal: AbortSignal,
): Promise<KeyedChain> {
  const hosts = acceptHosts(order.hosts);
  const limits = { ...standardLimits, ...order.limits };
  const { directoryUrl, accountKeyPem, trust } = order;
  try {
    return await withinRules({ trust, requestSeconds: limits.requestSeconds, signal }, async () => {
      const client = new Client({ directoryUrl, accountKey: accountKeyPem });
      await client.createAccount(accountOf(order));
      const placed = await client.createOrder({
        identifiers: hosts.map((value) => ({ type: 'dns', value })),
      });
      await proveHosts(client, placed, challenge, limits.proofSeconds, signal);
      return await collect(client, placed, hosts, limits.issueSeconds, signal);
    });
  } catch (fault) {
    if (signal.aborted) throw signal.reason;
    if (fault instanceof AcmeFailed) throw fault;
    // acme-client throws plain errors where an answer lacks what the protocol promises.
    const reason = fault instanceof Error ? clean(fault.message) : 'unknown';
    throw new AcmeFailed('BROKEN', `The authority's answers can't be used: ${reason}`);
  }
}

/** Pure; told before the authority is troubled, which counts refused orders against its limits. */
function acceptHosts(given: readonly string[]): readonly string[] {
  const hosts = [...new Set(given.map((host) => host.toLowerCase()))];
  if (hosts.length === 0) throw new InvalidInput(['hosts'], 'A certificate needs at least one host.');
  if (hosts.length > certificateLimits.hostsPerOrder) {
    throw new InvalidInput(
      ['hosts'],
      `${hosts.length} hosts are asked for; ${certificateLimits.hostsPerOrder} in one certificate is the limit.`,
    );
  }
  for (const host of hosts) {
    if (host.startsWith('.') || host.includes('*')) {
      throw new InvalidInput(
        ['hosts'],
        `${host} needs a wildcard certificate, which authorities give for a proof in DNS only. Upload one instead.`,
      );
    }
    if (!isHostName(host)) throw new InvalidInput(['hosts'], `"${host}" is no host name.`);
  }
  return hosts;
}

function isHostName(text: string): boolean {
  if (text.length > 253 || /^[\d.]+$/.test(text)) return false;
  return text.split('.').every((label) => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(label));
}

function accountOf({ contact }: AcmeOrder): { termsOfServiceAgreed: boolean; contact?: string[] } {
  return { termsOfServiceAgreed: true, ...(contact === undefined ? {} : { contact: [`mailto:${contact}`] }) };
}

/** The key is made for this one certificate and never leaves; the authority sees a request signed by it. */
async function collect(
  client: Client,
  placed: Order,
  hosts: readonly string[],
  seconds: number,
  signal: AbortSignal,
): Promise<KeyedChain> {
  const ready = await reach(client, placed, ['ready', 'valid'], seconds, signal);
  const privateKey = newKeyPem();
  const [, request] = await acmeCrypto.createCsr({ altNames: [...hosts] }, privateKey);
  const finalized = await client.finalizeOrder(ready, request);
  const issued = await reach(client, finalized, ['valid'], seconds, signal);
  const keyed = { chain: await client.getCertificate(issued), privateKey };
  insistOnOrdered(keyed, hosts);
  return keyed;
}

async function reach(
  client: Client,
  order: Order,
  states: readonly Order['status'][],
  seconds: number,
  signal: AbortSignal,
): Promise<Order> {
  let newest = order;
  const reached = await poll(
    async () => {
      if (newest.status === 'invalid') {
        const says = sentenceOf(newest.error);
        throw new AcmeFailed('REFUSED', `The authority refused the order: ${says ?? 'it gave no reason'}`, {
          says,
        });
      }
      if (states.includes(newest.status)) return newest;
      newest = await client.getOrder(order);
      return states.includes(newest.status) ? newest : undefined;
    },
    seconds,
    signal,
  );
  if (reached !== undefined) return reached;
  throw new AcmeFailed(
    'UNREACHABLE',
    `The authority left the order ${newest.status} for ${seconds} seconds.`,
  );
}

function insistOnOrdered(keyed: KeyedChain, hosts: readonly string[]): void {
  const { subjectHosts } = readCertificate(keyed);
  const missing = hosts.find((host) => !coversHost(subjectHosts, host));
  if (missing === undefined) return;
  throw new AcmeFailed('BROKEN', `The authority's certificate does not cover ${missing}.`);
}
