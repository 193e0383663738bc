// Certificates of sites: where they come from, how far they are, what is known of one without its key, which hosts it
// covers, and when it is renewed or worried about. Reading and making them is the certificates room's.

export const certificateSources = ['UPLOADED', 'ACME', 'SELF_SIGNED'] as const;
export type CertificateSource = (typeof certificateSources)[number];

/** PENDING until there is one to serve; FAILED when obtaining it was given up. A failed renewal leaves it READY. */
export const certificateStates = ['PENDING', 'READY', 'FAILED'] as const;
export type CertificateState = (typeof certificateStates)[number];

/** A chain and its key as PEM texts; leaf first. The key is a secret wherever this goes. */
export interface KeyedChain {
  readonly chain: string;
  readonly privateKey: string;
}

export interface CertificateFacts {
  /** The DNS names of the leaf's subject alternative names, lower case. The common name counts for nothing, as in browsers. */
  readonly subjectHosts: readonly string[];
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** The leaf's issuer, `C=…, O=…, CN=…`. */
  readonly issuer: string;
  /** SHA-256 of the leaf's DER, lower-case hexadecimal. */
  readonly fingerprint: string;
  /** Of the leaf, hexadecimal. */
  readonly serial: string;
  /** `RSA 2048`, `EC P-256`. */
  readonly keyType: string;
  /** The leaf signed itself: no client trusts it unasked. */
  readonly selfSigned: boolean;
  readonly chainLength: number;
}

export const certificateLimits = {
  chainLength: 10,
  textBytes: 64 * 1024,
  rsaBits: 2048,
  hostsPerOrder: 100,
  /** Of all names in one that is requested, so that what is renewed stays below the next. */
  hostCharacters: 5_000,
  /** Chain and key of one that renews itself: HAProxy is told of it in one buffer of 16 KiB, while it runs. */
  renewableBytes: 15 * 1024,
} as const;

/** How long one that is signed by itself is valid. */
export const selfSignedDays = 90;

/** Name of the secret that holds chain and key. */
export function certificateSecret(id: string): string {
  return `certificate ${id}`;
}

/** Within so many days its expiry is a critical check result. */
export const expiresSoonDays = 14;

const dayMilliseconds = 24 * 3600 * 1000;

export function expiresSoon(certificate: Pick<CertificateFacts, 'notAfter'>, now: Date): boolean {
  return certificate.notAfter.getTime() - now.getTime() <= expiresSoonDays * dayMilliseconds;
}

/** Renewed when less than a third of its lifetime is left, as authorities recommend. */
export function renewAt(notBefore: Date, notAfter: Date): Date {
  return new Date(notAfter.getTime() - (notAfter.getTime() - notBefore.getTime()) / 3);
}

/**
 * The names a certificate needs for a site. A leading dot stands for the domain and everything below it: the domain itself
 * and one wildcard, which is all that certificates can say; names two or more labels below it stay uncovered.
 */
export function certificateHostsFor(siteHost: string): readonly string[] {
  return siteHost.startsWith('.') ? [siteHost.slice(1), `*${siteHost}`] : [siteHost];
}

/** Whether clients will take the certificate for every name that `certificateHostsFor` asks of it. */
export function coversHost(certificateHosts: readonly string[], siteHost: string): boolean {
  const offered = certificateHosts.map(plain);
  return certificateHostsFor(plain(siteHost)).every((wanted) =>
    offered.some((host) => matches(host, wanted)),
  );
}

/** RFC 6125: a wildcard is the whole leftmost label and stands for exactly one. `*.com` is refused as clients refuse it. */
function matches(offered: string, wanted: string): boolean {
  if (offered === wanted) return !offered.startsWith('*') || isWildcard(offered);
  if (!isWildcard(offered)) return false;
  const firstDot = wanted.indexOf('.');
  return firstDot > 0 && wanted.slice(firstDot) === offered.slice(1);
}

function isWildcard(host: string): boolean {
  return /^\*(?:\.[^.*]+){2,}$/.test(host);
}

function plain(host: string): string {
  return host.toLowerCase().replace(/\.$/, '');
}
