// Keys: which kinds a certificate may have, what they are called, and new ones. Browsers decide the kinds: none of them
// takes Ed25519 or RSA-PSS keys in certificates, and HAProxy's OpenSSL does not load what is weaker than this.
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { certificateLimits } from '../model/certificates.ts';

const curves: Readonly<Record<string, string>> = {
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
};

export type KeyVerdict = { readonly type: string } | { readonly refusal: string };

export function judgeKey(key: KeyObject): KeyVerdict {
  const { modulusLength = 0, namedCurve = 'of unnamed parameters' } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'rsa') {
    if (modulusLength >= certificateLimits.rsaBits) return { type: `RSA ${modulusLength}` };
    return { refusal: `is RSA with ${modulusLength} bits; at least ${certificateLimits.rsaBits} are needed` };
  }
  if (key.asymmetricKeyType === 'ec') {
    const name = curves[namedCurve];
    if (name !== undefined) return { type: `EC ${name}` };
    return { refusal: `lies on the curve ${namedCurve}; P-256, P-384 and P-521 are accepted` };
  }
  return {
    refusal: `is of the kind ${key.asymmetricKeyType ?? 'unknown'}, which browsers refuse; use RSA or EC`,
  };
}

/** ECDSA P-256 in PKCS #8. */
export function newKeyPem(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}
