// A certificate as somebody would bring it, in its time today: of a private authority, with the authority's own behind it.
import { make } from '../certificates/make.ts';

export interface Brought {
  readonly chain: string;
  readonly privateKey: string;
}

const inDays = (days: number) => new Date(Date.now() + days * 86_400_000);

export async function bringCertificate(hosts: readonly string[], to = inDays(60)): Promise<Brought> {
  const time = { from: inDays(-30), to };
  const root = await make({ name: 'Root', ca: true, ...time, to: inDays(60) });
  const leaf = await make({ name: 'Leaf', issuer: root, hosts, ...time });
  return { chain: leaf.pem + root.pem, privateKey: leaf.keyPem };
}
