// What may be uploaded as a certificate and what is refused, with field and rule.
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { createSecureContext, getCACertificates, setDefaultCACertificates } from 'node:tls';
import { beforeAll, expect, test } from 'vitest';
import { type CertificateUpload, checkCertificate, readCertificate } from '../../src/certificates/check.ts';
import { InvalidInput } from '../../src/errors.ts';
import { day, type Made, make, now } from './make.ts';

let root: Made;
let publicRoot: Made;
let middle: Made;
let leaf: Made;

beforeAll(async () => {
  root = await make({ name: 'Private root', ca: true, to: day(3650) });
  publicRoot = await make({ name: 'Public root', ca: true, kind: 'RSA', to: day(3650) });
  middle = await make({ name: 'Middle', issuer: root, ca: true, to: day(900) });
  leaf = await make({ name: 'leaf', issuer: middle, hosts: ['shop.example.org', '*.example.org'] });
  // The only way to be a known root in time: the list is read at the first check.
  setDefaultCACertificates([...getCACertificates('default'), publicRoot.pem]);
});

function uploadOf(change: Partial<CertificateUpload> = {}): CertificateUpload {
  return { chain: leaf.pem + middle.pem + root.pem, privateKey: leaf.keyPem, now, ...change };
}

/** Field and sentence of the refusal. */
function refusal(change: Partial<CertificateUpload>): string {
  try {
    checkCertificate(uploadOf(change));
  } catch (fault) {
    if (!(fault instanceof InvalidInput)) throw fault;
    return `${fault.inputPath.join('.')}: ${fault.message}`;
  }
  throw new Error('It was accepted.');
}

test("a private authority's full chain is accepted, and its facts are the leaf's", () => {
  const checked = checkCertificate(uploadOf({ hosts: ['shop.example.org', 'www.example.org'] }));
  expect(checked).toMatchObject({
    subjectHosts: ['shop.example.org', '*.example.org'],
    notBefore: day(-30),
    notAfter: day(60),
    issuer: 'CN=Middle',
    fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
    serial: expect.stringMatching(/^[0-9a-f]+$/),
    keyType: 'EC P-256',
    selfSigned: false,
    chainLength: 3,
  });
});

test('what a proxy is given holds leaf, intermediates and key, and nothing else of the upload', () => {
  const chatty = `Bag Attributes: secret words\r\n${leaf.pem.replaceAll('\n', '\r\n')}${middle.pem}\n${root.pem}`;
  const { pem } = checkCertificate(uploadOf({ chain: chatty }));
  expect(pem).not.toContain('secret words');
  expect(pem).not.toContain('\r');
  expect(pem.match(/-----BEGIN [A-Z ]+-----/g)).toEqual([
    '-----BEGIN CERTIFICATE-----',
    '-----BEGIN CERTIFICATE-----',
    '-----BEGIN PRIVATE KEY-----',
  ]);
  expect(() => createSecureContext({ cert: pem, key: pem })).not.toThrow();
});

test('a chain below a known root needs no root, and one with further roots is told which count', async () => {
  const sold = await make({ name: 'sold', issuer: publicRoot, hosts: ['a.example.org'] });
  expect(checkCertificate(uploadOf({ chain: sold.pem, privateKey: sold.keyPem })).chainLength).toBe(1);
  expect(refusal({ chain: leaf.pem + middle.pem })).toMatch(
    /^chain: .*incomplete: certificate 2 .*CN=Private root/,
  );
  expect(checkCertificate(uploadOf({ chain: leaf.pem + middle.pem, trust: root.pem })).chainLength).toBe(2);
});

test('a certificate that signed itself is accepted and says so', async () => {
  const own = await make({ name: 'own', hosts: ['own.example.org'], kind: 'RSA' });
  const checked = checkCertificate(uploadOf({ chain: own.pem, privateKey: own.keyPem }));
  expect(checked).toMatchObject({ selfSigned: true, chainLength: 1, keyType: 'RSA 2048' });
});

test('keys in the older forms are understood', async () => {
  const key = createPrivateKey(leaf.keyPem);
  const sec1 = key.export({ type: 'sec1', format: 'pem' }).toString();
  const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';
  const expected = checkCertificate(uploadOf()).pem;
  expect(checkCertificate(uploadOf({ privateKey: parameters + sec1 })).pem).toBe(expected);
  const large = await make({ name: 'large', issuer: root, kind: 'P-521', hosts: ['a.example.org'] });
  expect(checkCertificate(uploadOf({ chain: large.pem + root.pem, privateKey: large.keyPem })).keyType).toBe(
    'EC P-521',
  );
});

test('a key that is not the first certificate’s is refused', () => {
  expect(refusal({ privateKey: middle.keyPem })).toMatch(/^privateKey: .*does not belong/);
  expect(refusal({ chain: middle.pem + leaf.pem + root.pem })).toMatch(/^privateKey: .*must be the leaf/);
});

test('a chain out of order or with a gap is refused, naming the place', async () => {
  expect(refusal({ chain: leaf.pem + root.pem + middle.pem })).toMatch(
    /^chain: .*not in order: the leaf was issued by CN=Middle, but certificate 2 of the chain is CN=Private root/,
  );
  expect(refusal({ chain: leaf.pem })).toMatch(/^chain: .*incomplete: the leaf was issued by CN=Middle/);
  expect(refusal({ chain: leaf.pem + leaf.pem })).toMatch(/^chain: .*may not issue/);
  const namesake = await make({ name: 'Middle', issuer: root, ca: true });
  expect(refusal({ chain: leaf.pem + namesake.pem + root.pem })).toMatch(/^chain: .*not in order/);
});

test('a certificate that may not issue makes no chain', async () => {
  const customer = await make({ name: 'customer', issuer: root, hosts: ['c.example.org'] });
  const forged = await make({ name: 'forged', issuer: customer, hosts: ['bank.example.org'] });
  expect(refusal({ chain: forged.pem + customer.pem + root.pem, privateKey: forged.keyPem })).toMatch(
    /^chain: Certificate 2 of the chain may not issue/,
  );
});

test('hosts that are not covered are refused by name', () => {
  expect(refusal({ hosts: ['shop.example.org', 'a.b.example.org'] })).toMatch(
    /^hosts: .*a\.b\.example\.org: .* names shop\.example\.org, \*\.example\.org/,
  );
  expect(refusal({ hosts: ['.example.org'] })).toMatch(/^hosts: .*example\.org and \*\.example\.org/);
});

test('a common name stands for no host', async () => {
  const old = await make({ name: 'shop.example.org', issuer: root });
  expect(refusal({ chain: old.pem + root.pem, privateKey: old.keyPem })).toMatch(
    /^chain: .*ignore the common name/,
  );
});

test('what is expired or not valid yet is refused, anywhere in the chain', async () => {
  expect(refusal({ now: day(60) })).toMatch(/^chain: The leaf expired on 2030-08-14/);
  expect(refusal({ now: day(-31) })).toMatch(/^chain: The leaf is not valid until 2030-05-16/);
  const stale = await make({ name: 'Stale', issuer: root, ca: true, to: day(-1) });
  const below = await make({ name: 'below', issuer: stale, hosts: ['a.example.org'] });
  expect(refusal({ chain: below.pem + stale.pem + root.pem, privateKey: below.keyPem })).toMatch(
    /^chain: Certificate 2 of the chain expired/,
  );
});

test('weak keys are refused, at the leaf and above it', async () => {
  const small = await make({ name: 'small', issuer: root, kind: 'RSA-1024', hosts: ['a.example.org'] });
  expect(refusal({ chain: small.pem + root.pem, privateKey: small.keyPem })).toMatch(
    /^privateKey: .*RSA with 1024 bits; at least 2048/,
  );
  const weak = await make({ name: 'Weak', issuer: root, ca: true, kind: 'RSA-1024' });
  const below = await make({ name: 'below', issuer: weak, hosts: ['a.example.org'] });
  expect(refusal({ chain: below.pem + weak.pem + root.pem, privateKey: below.keyPem })).toMatch(
    /^chain: The key of certificate 2 of the chain is RSA with 1024/,
  );
});

test('keys of a kind that browsers refuse are refused', async () => {
  const modern = await make({ name: 'modern', issuer: root, kind: 'ED25519', hosts: ['a.example.org'] });
  expect(refusal({ chain: modern.pem + root.pem, privateKey: modern.keyPem })).toMatch(
    /^privateKey: .*kind ed25519/,
  );
  const koblitz = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey;
  const privateKey = koblitz.export({ type: 'pkcs8', format: 'pem' }).toString();
  expect(refusal({ privateKey })).toMatch(/^privateKey: .*curve secp256k1; P-256/);
});

test('signatures with an outdated digest are refused, but for a root’s own', async () => {
  const oldRoot = await make({ name: 'Old root', ca: true, kind: 'RSA-SHA-1' });
  const below = await make({ name: 'below', issuer: oldRoot, hosts: ['a.example.org'] });
  expect(refusal({ chain: below.pem + oldRoot.pem, privateKey: below.keyPem })).toMatch(
    /^chain: The leaf is not signed with SHA-256 or better/,
  );
  const self = await make({ name: 'self', kind: 'RSA-SHA-1', hosts: ['a.example.org'] });
  expect(checkCertificate(uploadOf({ chain: self.pem, privateKey: self.keyPem })).selfSigned).toBe(true);
});

test.each(['RSA-1024', 'RSA-SHA-1'] as const)(
  'a chain that no proxy starts with is refused wherever it comes from, not only where somebody brings it: %s',
  async (kind) => {
    const weak = await make({ name: 'Weak', issuer: publicRoot, ca: true, kind });
    const below = await make({ name: 'below', issuer: weak, hosts: ['a.example.org'] });
    const obtained = { chain: below.pem + weak.pem, privateKey: below.keyPem };
    expect(() => readCertificate(obtained)).toThrow(InvalidInput);
  },
);

test('a certificate that is for clients only is refused', async () => {
  const wanted = { name: 'client', issuer: root, hosts: ['a.example.org'] };
  const client = await make({ ...wanted, uses: ['1.3.6.1.5.5.7.3.2'] });
  expect(refusal({ chain: client.pem + root.pem, privateKey: client.keyPem })).toMatch(
    /^chain: .*extended key usage/,
  );
  const both = await make({ ...wanted, uses: ['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1'] });
  expect(
    checkCertificate(uploadOf({ chain: both.pem + root.pem, privateKey: both.keyPem })).chainLength,
  ).toBe(2);
});

test('an encrypted key, several keys and foreign blocks are refused', () => {
  const key = createPrivateKey(leaf.keyPem);
  const secret = { cipher: 'aes-256-cbc', passphrase: 'hush' } as const;
  const wrapped = key.export({ type: 'pkcs8', format: 'pem', ...secret }).toString();
  const old = key.export({ type: 'sec1', format: 'pem', ...secret }).toString();
  expect(refusal({ privateKey: wrapped })).toMatch(/^privateKey: .*encrypted/);
  expect(refusal({ privateKey: old })).toMatch(/^privateKey: .*encrypted/);
  expect(refusal({ privateKey: leaf.keyPem + middle.keyPem })).toMatch(/^privateKey: .*2 private keys/);
  expect(refusal({ privateKey: leaf.keyPem + leaf.pem })).toMatch(/^privateKey: .*more than the private key/);
  expect(refusal({ chain: leaf.pem + leaf.keyPem })).toMatch(/^chain: .*holds a private key/);
  expect(refusal({ chain: leaf.pem.replaceAll('CERTIFICATE', 'X509 CRL') })).toMatch(/^chain: .*"X509 CRL"/);
});

test('too many certificates and too much text are refused', () => {
  expect(refusal({ chain: leaf.pem.repeat(11) })).toMatch(/^chain: .*11 certificates; 10 is the limit/);
  expect(refusal({ chain: `${leaf.pem}${'x'.repeat(65_536)}` })).toMatch(/^chain: .*65536 is the limit/);
  expect(refusal({ privateKey: `${leaf.keyPem}${'x'.repeat(65_536)}` })).toMatch(/^privateKey: .*limit/);
});

const inside = Buffer.from('not DER at all').toString('base64');

test.each([
  ['', 'holds no certificate'],
  ['junk', 'holds no certificate'],
  ['-----BEGIN CERTIFICATE-----\nMIIB', 'has no end'],
  ['-----END CERTIFICATE-----', 'did not begin'],
  ['-----BEGIN CERTIFICATE-----\n-----BEGIN CERTIFICATE-----', 'within another'],
  ['-----BEGIN CERTIFICATE-----\n-----END PRIVATE KEY-----', 'did not begin'],
  ['-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----', "can't be read"],
  [`-----BEGIN CERTIFICATE-----\n${inside}\n-----END CERTIFICATE-----`, "can't be read"],
  ['-----BEGIN CERTIFICATE-----\n\0\uFFFF\n-----END CERTIFICATE-----', "can't be read"],
])('junk as a chain is refused with a sentence (case %#)', (chain, sentence) => {
  expect(refusal({ chain })).toContain(sentence);
});

test.each([
  ['', 'holds no private key'],
  [`-----BEGIN PRIVATE KEY-----\n${inside}\n-----END PRIVATE KEY-----`, "can't be read"],
  ['-----BEGIN PRIVATE KEY-----', 'has no end'],
])('junk as a key is refused with a sentence (case %#)', (privateKey, sentence) => {
  expect(refusal({ privateKey })).toContain(sentence);
});

test('certificates cut or changed at any byte are refused and never a fault', () => {
  const der = Buffer.from(leaf.pem.replace(/-----[A-Z ]+-----/g, ''), 'base64');
  for (let at = 0; at < der.length; at += 3) {
    const changed = Buffer.from(der);
    changed[at] = (changed[at] ?? 0) ^ 0x55;
    for (const bytes of [changed, der.subarray(0, at)]) {
      const block = `-----BEGIN CERTIFICATE-----\n${bytes.toString('base64')}\n-----END CERTIFICATE-----\n`;
      expect(refusal({ chain: block + middle.pem + root.pem })).toMatch(/^(chain|privateKey): /);
    }
  }
});

test('no refusal repeats what was pasted as a key', () => {
  const body = leaf.keyPem.split('\n')[1] ?? '';
  for (const change of [
    { chain: leaf.keyPem },
    { privateKey: leaf.keyPem + leaf.keyPem },
    { privateKey: leaf.keyPem.replace('-----END', '----END') },
    { privateKey: middle.keyPem },
  ]) {
    expect(refusal(change)).not.toContain(body.slice(0, 20));
  }
});
