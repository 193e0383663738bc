// What an uploaded certificate must be before a proxy is given it: a proxy refuses to start with a key that doesn't fit or
// is too weak, and browsers refuse the rest, so every rule is told here, to the person who uploads. Pure but for the list of
// known roots. Also reads the facts of certificates that were made or obtained rather than uploaded.
import type { KeyObject, X509Certificate } from 'node:crypto';
import { X509Certificate as Details, SubjectAlternativeNameExtension } from '@peculiar/x509';
import { InvalidInput } from '../errors.ts';
import {
  type CertificateFacts,
  certificateHostsFor,
  coversHost,
  type KeyedChain,
} from '../model/certificates.ts';
import { insistOnChain, insistOnStrongChain, isSelfSigned, oneLine, timesOf } from './chain.ts';
import { judgeKey } from './keys.ts';
import { readChain, readKey } from './pem.ts';

export interface CertificateUpload extends KeyedChain {
  /** Site hosts that it must cover; empty or left out: any. */
  readonly hosts?: readonly string[];
  /** Roots accepted beside the known ones, as PEM. */
  readonly trust?: string;
  readonly now: Date;
}

export interface CheckedCertificate extends CertificateFacts {
  /**
   * A secret: chain and key in one PEM text as HAProxy's `crt` takes it, rewritten from what was understood of the upload.
   * A root above the leaf is left out: clients have it or don't trust it.
   */
  readonly pem: string;
}

/** Throws InvalidInput that names the field (`chain`, `privateKey`, `hosts`) and the rule. */
export function checkCertificate(upload: CertificateUpload): CheckedCertificate {
  const chain = readChain(upload.chain);
  const key = readKey(upload.privateKey);
  insistOnKey(key, chain[0]);
  insistOnServerUse(chain[0]);
  insistOnChain(chain, upload.trust === undefined ? [] : readChain(upload.trust), upload.now);
  const checked = describe(chain, key);
  insistOnHosts(checked.subjectHosts, upload.hosts ?? []);
  return checked;
}

/**
 * The facts alone, of a certificate whose making answers for time, hosts and order. The key must still fit and the chain be
 * strong, whoever made it: a proxy that runs is told of nothing else meanwhile, and one that starts doesn't.
 */
export function readCertificate(keyed: KeyedChain): CheckedCertificate {
  const chain = readChain(keyed.chain);
  const key = readKey(keyed.privateKey);
  insistOnKey(key, chain[0]);
  insistOnStrongChain(chain);
  return describe(chain, key);
}

function insistOnKey(key: KeyObject, leaf: X509Certificate): void {
  const verdict = judgeKey(key);
  if ('refusal' in verdict) throw new InvalidInput(['privateKey'], `The private key ${verdict.refusal}.`);
  if (!leaf.checkPrivateKey(key)) {
    throw new InvalidInput(
      ['privateKey'],
      'The private key does not belong to the first certificate of the chain, which must be the leaf.',
    );
  }
}

const serverUse = '1.3.6.1.5.5.7.3.1';
const anyUse = '2.5.29.37.0';

function insistOnServerUse(leaf: X509Certificate): void {
  // Node names its extended uses `keyUsage`; a certificate that lists none may be used for all.
  const uses: readonly string[] | undefined = leaf.keyUsage;
  if (uses === undefined || uses.includes(serverUse) || uses.includes(anyUse)) return;
  throw new InvalidInput(
    ['chain'],
    'The leaf may not be used by a server: its extended key usage forbids it.',
  );
}

function describe(
  chain: readonly [X509Certificate, ...X509Certificate[]],
  key: KeyObject,
): CheckedCertificate {
  const [leaf, ...issuers] = chain;
  const verdict = judgeKey(key);
  const sent = [leaf, ...issuers.filter((each) => !isSelfSigned(each))];
  return {
    subjectHosts: hostsOf(leaf),
    ...timesOf(leaf),
    issuer: oneLine(leaf.issuer),
    fingerprint: leaf.fingerprint256.replaceAll(':', '').toLowerCase(),
    serial: leaf.serialNumber.toLowerCase(),
    keyType: 'type' in verdict ? verdict.type : 'unknown',
    selfSigned: isSelfSigned(leaf),
    chainLength: chain.length,
    pem: [...sent.map(String), key.export({ type: 'pkcs8', format: 'pem' }).toString()].join(''),
  };
}

/** Read from the extension itself: Node's text of it is for people, and names with commas have deceived its readers. */
function hostsOf(leaf: X509Certificate): readonly string[] {
  let names: SubjectAlternativeNameExtension | null;
  try {
    names = new Details(leaf.raw).getExtension(SubjectAlternativeNameExtension);
  } catch {
    throw new InvalidInput(['chain'], "The leaf's subject alternative names can't be read.");
  }
  const hosts = names?.names.items
    .filter(({ type }) => type === 'dns')
    .map(({ value }) => value.toLowerCase());
  if (hosts === undefined || hosts.length === 0) {
    throw new InvalidInput(
      ['chain'],
      'The leaf names no host in its subject alternative names. Browsers ignore the common name.',
    );
  }
  return [...new Set(hosts)];
}

function insistOnHosts(offered: readonly string[], wanted: readonly string[]): void {
  const host = wanted.find((each) => !coversHost(offered, each));
  if (host === undefined) return;
  const shown = offered.length > 10 ? [...offered.slice(0, 10), '…'] : offered;
  throw new InvalidInput(
    ['hosts'],
    `The certificate does not cover ${host}: it would have to name ${certificateHostsFor(host).join(' and ')}, and names ${shown.join(', ')}.`,
  );
}
