// A certificate that signs itself, for sandboxes: browsers warn, and the traffic is encrypted all the same. Takes site
// hosts, so a leading dot becomes the domain and its wildcard. Nothing is stored here.
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { InvalidInput } from '../errors.ts';
import { certificateHostsFor, type KeyedChain } from '../model/certificates.ts';
import { keyPair, keyPem, plusDays, signing } from './web-keys.ts';

export async function makeSelfSigned(
  siteHosts: readonly string[],
  now: Date,
  days: number,
): Promise<KeyedChain> {
  const hosts = [...new Set(siteHosts.flatMap(certificateHostsFor))];
  if (hosts.length === 0) throw new InvalidInput(['hosts'], 'A certificate needs at least one host.');
  const keys = await keyPair();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    // A common name may have 64 characters and a host 253; nobody reads it as a host.
    name: [{ CN: ['Berth self-signed'] }],
    keys,
    notBefore: now,
    notAfter: plusDays(now, days),
    signingAlgorithm: signing,
    // Without a key usage: one that leaves out signing would keep OpenSSL from trusting it when told to.
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(hosts.map((value) => ({ type: 'dns' as const, value }))),
    ],
  });
  return { chain: `${certificate.toString('pem')}\n`, privateKey: await keyPem(keys.privateKey) };
}
