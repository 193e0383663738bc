// A chain's own order: each certificate signed by the next, all of them strong and in their time, and the top one either a
// root itself or signed by a root that is known here. Knows nothing of hosts and private keys.
import { X509Certificate } from 'node:crypto';
import { getCACertificates } from 'node:tls';
import { X509Certificate as Details } from '@peculiar/x509';
import { InvalidInput } from '../errors.ts';
import { judgeKey } from './keys.ts';

type Chain = readonly [X509Certificate, ...X509Certificate[]];

export function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.subject === certificate.issuer && certificate.verify(certificate.publicKey);
}

/** Throws InvalidInput on `chain`. `trust` are roots accepted beside those that Node and the machine know. */
export function insistOnChain(chain: Chain, trust: readonly X509Certificate[], now: Date): void {
  chain.forEach((certificate, index) => {
    insistOnTime(certificate, index, now);
  });
  insistOnStrongChain(chain);
  chain.slice(1).forEach((issuer, index) => {
    const certificate = chain[index];
    if (certificate !== undefined) insistOnIssuer(certificate, issuer, index);
  });
  const top = chain.at(-1) ?? chain[0];
  if (isSelfSigned(top) || knownRoots().some((root) => issued(root, top))) return;
  if (trust.some((root) => issued(root, top) || root.raw.equals(top.raw))) return;
  throw refused(
    `The chain is incomplete: ${place(chain.length - 1)} was issued by ${oneLine(top.issuer)}, which is neither in the chain nor a known root. Append the issuer's certificates, for a private CA up to its root.`,
  );
}

function insistOnTime(certificate: X509Certificate, index: number, now: Date): void {
  const { notBefore, notAfter } = timesOf(certificate);
  if (notAfter <= now) throw refused(`${capital(place(index))} expired on ${notAfter.toISOString()}.`);
  if (notBefore > now)
    throw refused(`${capital(place(index))} is not valid until ${notBefore.toISOString()}.`);
}

/** Throws InvalidInput on `chain` for what HAProxy would not start with. */
export function insistOnStrongChain(chain: Chain): void {
  chain.forEach(insistOnStrength);
}

/** A self-signed certificate's own signature proves nothing, so its digest may be an old one. */
function insistOnStrength(certificate: X509Certificate, index: number): void {
  const verdict = judgeKey(publicKeyOf(certificate, index));
  if ('refusal' in verdict) throw refused(`The key of ${place(index)} ${verdict.refusal}.`);
  if (!isSelfSigned(certificate) && !hasStrongSignature(certificate)) {
    throw refused(
      `${capital(place(index))} is not signed with SHA-256 or better by an RSA or EC key; browsers refuse it.`,
    );
  }
}

function publicKeyOf(certificate: X509Certificate, index: number): X509Certificate['publicKey'] {
  try {
    return certificate.publicKey;
  } catch {
    throw refused(`The key of ${place(index)} is of a kind that can't be read.`);
  }
}

function hasStrongSignature(certificate: X509Certificate): boolean {
  try {
    const { name, hash } = new Details(certificate.raw).signatureAlgorithm;
    return (
      ['RSASSA-PKCS1-v1_5', 'RSA-PSS', 'ECDSA'].includes(name) &&
      ['SHA-256', 'SHA-384', 'SHA-512'].includes(hash.name)
    );
  } catch {
    return false;
  }
}

function insistOnIssuer(certificate: X509Certificate, issuer: X509Certificate, index: number): void {
  if (!issuer.ca) throw refused(`${capital(place(index + 1))} may not issue certificates.`);
  if (!issued(issuer, certificate)) {
    throw refused(
      `The chain is not in order: ${place(index)} was issued by ${oneLine(certificate.issuer)}, but ${place(index + 1)} is ${oneLine(issuer.subject)}. Give the leaf first, then each certificate's issuer.`,
    );
  }
}

function issued(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

export function timesOf(certificate: X509Certificate): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(certificate.validFrom), notAfter: new Date(certificate.validTo) };
}

/** Names as one bounded line; they are whatever the issuer wrote. */
export function oneLine(name: string): string {
  const line = name.split('\n').join(', ');
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}

let roots: readonly X509Certificate[] | undefined;

/** Read once: parsing some hundred certificates takes a moment, and a machine's roots change with its packages. */
function knownRoots(): readonly X509Certificate[] {
  roots ??= [...new Set([...getCACertificates('default'), ...getCACertificates('system')])].flatMap(parsed);
  return roots;
}

function parsed(pem: string): readonly X509Certificate[] {
  try {
    return [new X509Certificate(pem)];
  } catch {
    return [];
  }
}

function place(index: number): string {
  return index === 0 ? 'the leaf' : `certificate ${index + 1} of the chain`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function refused(message: string): InvalidInput {
  return new InvalidInput(['chain'], message);
}
