// Certificates that Berth makes itself, judged by TLS connections: a sandbox's self-signed one, and the control channel's
// authority, whose two sides know each other and nobody else.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type ConnectionOptions, connect, createServer, type TlsOptions } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { type Authority, type IssueRequest, issue, makeAuthority } from '../../src/certificates/authority.ts';
import { checkCertificate } from '../../src/certificates/check.ts';
import { makeSelfSigned } from '../../src/certificates/self-signed.ts';
import type { KeyedChain } from '../../src/model/certificates.ts';

const now = new Date();

/** What the server says after the handshake, or the code with which either side refused. */
async function talk(server: TlsOptions, client: ConnectionOptions): Promise<string> {
  const listening = createServer(server, (socket) => socket.end('welcome'));
  listening.on('tlsClientError', () => {});
  listening.listen(0, '127.0.0.1');
  onTestFinished(() => void listening.close());
  await once(listening, 'listening');
  const { port } = listening.address() as AddressInfo;
  const socket = connect({ ...client, host: '127.0.0.1', port, timeout: 10_000 });
  onTestFinished(() => void socket.destroy());
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.once('data', (said) => resolve(String(said)));
  socket.once('error', (fault) => resolve('code' in fault ? String(fault.code) : fault.message));
  socket.once('timeout', () => resolve('silence'));
  socket.once('close', () => resolve('closed'));
  return promise;
}

const shown = ({ chain, privateKey }: KeyedChain) => ({ cert: chain, key: privateKey });

test('a self-signed certificate serves the hosts it was made for, to whoever is told to trust it', async () => {
  const own = await makeSelfSigned(['shop.example.org', '.box.example.org'], now, 30);
  const checked = checkCertificate({ ...own, hosts: ['shop.example.org', '.box.example.org'], now });
  expect(checked).toMatchObject({ selfSigned: true, keyType: 'EC P-256' });
  expect(checked.notAfter.getTime() - checked.notBefore.getTime()).toBe(30 * 86_400_000);
  const to = (servername: string, trust = {}) => talk(shown(own), { servername, ...trust });
  expect(await to('shop.example.org', { ca: own.chain })).toBe('welcome');
  expect(await to('a.box.example.org', { ca: own.chain })).toBe('welcome');
  expect(await to('other.example.org', { ca: own.chain })).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
  expect(await to('shop.example.org')).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
});

test('a host of the longest kind fits, and none at all is refused', async () => {
  const long = [...Array(3).fill('a'.repeat(63)), 'b'.repeat(55), 'org'].join('.');
  const made = await makeSelfSigned([long], now, 1);
  expect(checkCertificate({ ...made, hosts: [long], now }).subjectHosts).toEqual([long]);
  await expect(makeSelfSigned([], now, 1)).rejects.toThrow('at least one host');
});

async function side(authority: Authority, change: Partial<IssueRequest>): Promise<KeyedChain> {
  const request = { commonName: 'proxy 1', usage: 'SERVER', now, days: 30, ...change } as const;
  return issue(authority, request);
}

test('the two sides of the control channel know each other', async () => {
  const authority = await makeAuthority(now);
  const ca = authority.certificate;
  const server = await side(authority, { hosts: ['proxy.internal'], ips: ['127.0.0.1'] });
  const client = await side(authority, { commonName: 'control plane', usage: 'CLIENT' });
  const guarded = { ...shown(server), ca, requestCert: true, rejectUnauthorized: true };
  expect(await talk(guarded, { ...shown(client), ca })).toBe('welcome');
  expect(await talk(guarded, { ...shown(client), ca, servername: 'proxy.internal' })).toBe('welcome');
  expect(await talk(guarded, { ...shown(client), ca, servername: 'else.internal' })).toBe(
    'ERR_TLS_CERT_ALTNAME_INVALID',
  );
});

test('nobody else is let in, and nothing else is taken for a proxy', async () => {
  const [authority, foreign] = [await makeAuthority(now), await makeAuthority(now)];
  const ca = authority.certificate;
  const server = await side(authority, { ips: ['127.0.0.1'] });
  const client = await side(authority, { usage: 'CLIENT' });
  const guarded = { ...shown(server), ca, requestCert: true, rejectUnauthorized: true };
  const stranger = await side(foreign, { usage: 'CLIENT' });
  expect(await talk(guarded, { ca })).toBe('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED');
  // A namesake of the authority signs nothing of its own into the channel, a server is no client, and time ends.
  expect(await talk(guarded, { ...shown(stranger), ca })).toMatch(/ALERT|ECONNRESET|closed/);
  expect(await talk(guarded, { ...shown(server), ca })).toMatch(/ALERT|ECONNRESET|closed/);
  const past = new Date(now.getTime() - 40 * 86_400_000);
  const late = await side(authority, { usage: 'CLIENT', now: past });
  expect(await talk(guarded, { ...shown(late), ca })).toMatch(/ALERT|ECONNRESET|closed/);
  const impostor = await side(foreign, { ips: ['127.0.0.1'] });
  expect(await talk({ ...guarded, ...shown(impostor) }, { ...shown(client), ca })).toMatch(
    /UNABLE_TO_|CERT_SIGNATURE_FAILURE/,
  );
  expect(await talk({ ...guarded, ...shown(client) }, { ...shown(client), ca })).toMatch(/INVALID_PURPOSE/);
});

test('authorities and what they issue are new each time', async () => {
  const [one, other] = [await makeAuthority(now), await makeAuthority(now)];
  expect(one.privateKey).not.toBe(other.privateKey);
  const read = async () => {
    const issued = await side(one, { hosts: ['a.internal'] });
    return checkCertificate({ ...issued, trust: one.certificate, now });
  };
  const [first, second] = [await read(), await read()];
  expect(first.serial).not.toBe(second.serial);
  expect(first.fingerprint).not.toBe(second.fingerprint);
});
