// ECDSA P-256 keys in the form that certificates are signed with, and their way to PEM and back.
import { PemConverter } from '@peculiar/x509';

export const signing = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

const dayMilliseconds = 24 * 3600 * 1000;

export async function keyPair(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(signing, true, ['sign', 'verify']);
}

export async function keyPem(key: CryptoKey): Promise<string> {
  return `${PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;
}

export async function signingKey(pem: string): Promise<CryptoKey> {
  return crypto.subtle.importKey('pkcs8', PemConverter.decodeFirst(pem), signing, false, ['sign']);
}

export function plusDays(time: Date, days: number): Date {
  return new Date(time.getTime() + days * dayMilliseconds);
}
