// Certificates of every kind, good and bad, made in memory. Independent of the code that is tested: signs with WebCrypto
// and says each property openly.
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type Extension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';

export const now = new Date('2030-06-15T12:00:00Z');
export const day = (days: number): Date => new Date(now.getTime() + days * 86_400_000);

type Kind = 'EC' | 'P-521' | 'RSA' | 'RSA-1024' | 'RSA-SHA-1' | 'ED25519';

const algorithms = {
  EC: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  'P-521': { name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' },
  RSA: rsa(2048, 'SHA-256'),
  'RSA-1024': rsa(1024, 'SHA-256'),
  'RSA-SHA-1': rsa(2048, 'SHA-1'),
  ED25519: { name: 'Ed25519' },
} as const;

function rsa(modulusLength: number, hash: string) {
  return { name: 'RSASSA-PKCS1-v1_5', hash, modulusLength, publicExponent: new Uint8Array([1, 0, 1]) };
}

export interface Made {
  readonly name: string;
  readonly pem: string;
  readonly keyPem: string;
  readonly kind: Kind;
  readonly keys: CryptoKeyPair;
}

export interface Wanted {
  readonly name: string;
  readonly issuer?: Made;
  readonly kind?: Kind;
  readonly hosts?: readonly string[];
  readonly ca?: boolean;
  readonly from?: Date;
  readonly to?: Date;
  /** OIDs of its extended key usage. */
  readonly uses?: readonly string[];
}

/** Signed by `issuer`, else by itself. */
export async function make(wanted: Wanted): Promise<Made> {
  const { name, issuer, kind = 'EC', hosts = [], ca = false, from = day(-30), to = day(60) } = wanted;
  const keys = await newKeys(kind);
  const extensions: Extension[] = [new BasicConstraintsExtension(ca, undefined, true)];
  if (hosts.length > 0) {
    extensions.push(
      new SubjectAlternativeNameExtension(hosts.map((value) => ({ type: 'dns' as const, value }))),
    );
  }
  if (wanted.uses) extensions.push(new ExtendedKeyUsageExtension([...wanted.uses]));
  const certificate = await X509CertificateGenerator.create({
    subject: [{ CN: [name] }],
    issuer: [{ CN: [issuer?.name ?? name] }],
    publicKey: keys.publicKey,
    signingKey: (issuer ?? { keys }).keys.privateKey,
    signingAlgorithm: algorithms[issuer?.kind ?? kind],
    notBefore: from,
    notAfter: to,
    extensions,
  });
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey);
  const keyPem = `${PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`;
  return { name, pem: `${certificate.toString('pem')}\n`, keyPem, kind, keys };
}

async function newKeys(kind: Kind): Promise<CryptoKeyPair> {
  const keys = await crypto.subtle.generateKey(algorithms[kind], true, ['sign', 'verify']);
  if (!('privateKey' in keys)) throw new Error(`${kind} made no pair.`);
  return keys;
}
