// The installation's own certificate authority, by which the control plane and the proxies' control channel know each
// other. It stands in no chain that browsers see. PEM texts in and out; the caller keeps them.
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import type { KeyedChain } from '../model/certificates.ts';
import { keyPair, keyPem, plusDays, signing, signingKey } from './web-keys.ts';

/** Both PEM; the key is a secret. */
export interface Authority {
  readonly certificate: string;
  readonly privateKey: string;
}

export interface IssueRequest {
  readonly commonName: string;
  /** DNS names and addresses that the other side connects to; a client has none. */
  readonly hosts?: readonly string[];
  readonly ips?: readonly string[];
  readonly usage: 'SERVER' | 'CLIENT';
  readonly now: Date;
  readonly days: number;
}

const authorityDays = 3650;
/** Clocks of machines differ by seconds; a certificate made for a container that starts at once must not be too new. */
const backdatedDays = 1 / 24;

export async function makeAuthority(now: Date): Promise<Authority> {
  const keys = await keyPair();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: ['Berth control channel'] }],
    keys,
    notBefore: plusDays(now, -backdatedDays),
    notAfter: plusDays(now, authorityDays),
    signingAlgorithm: signing,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: `${certificate.toString('pem')}\n`, privateKey: await keyPem(keys.privateKey) };
}

/** The chain is the one certificate: whoever verifies it has the authority's. */
export async function issue(authority: Authority, request: IssueRequest): Promise<KeyedChain> {
  const issuer = new X509Certificate(authority.certificate);
  const keys = await keyPair();
  const certificate = await X509CertificateGenerator.create({
    subject: [{ CN: [request.commonName] }],
    issuer: issuer.subjectName,
    publicKey: keys.publicKey,
    signingKey: await signingKey(authority.privateKey),
    notBefore: plusDays(request.now, -backdatedDays),
    notAfter: plusDays(request.now, request.days),
    signingAlgorithm: signing,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([
        request.usage === 'SERVER' ? ExtendedKeyUsage.serverAuth : ExtendedKeyUsage.clientAuth,
      ]),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      await AuthorityKeyIdentifierExtension.create(issuer),
      ...alternativeNames(request),
    ],
  });
  return { chain: `${certificate.toString('pem')}\n`, privateKey: await keyPem(keys.privateKey) };
}

function alternativeNames({ hosts = [], ips = [] }: IssueRequest): SubjectAlternativeNameExtension[] {
  const names = [
    ...hosts.map((value) => ({ type: 'dns' as const, value })),
    ...ips.map((value) => ({ type: 'ip' as const, value })),
  ];
  return names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)];
}
