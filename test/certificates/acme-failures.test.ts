// What a client says and does when an ACME authority is down, slow, limiting, mistaken or an impostor.
import { axios } from 'acme-client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type AcmeOrder, newAccountKey, obtainByAcme } from '../../src/certificates/acme.ts';
import { AcmeFailed } from '../../src/certificates/acme-failure.ts';
import { makeSelfSigned } from '../../src/certificates/self-signed.ts';
import { type BadAuthority, type Behaviour, openBadAuthority } from './bad-authority.ts';

let authority: BadAuthority;
beforeEach(async () => {
  authority = await openBadAuthority();
});
afterEach(() => authority.close());

const accountKeyPem = newAccountKey();

async function failure(change: Partial<AcmeOrder> = {}, signal = AbortSignal.timeout(20_000)) {
  const { directoryUrl, trust } = authority;
  const limits = { requestSeconds: 0.5, proofSeconds: 0.5, issueSeconds: 0.5 };
  const order = { directoryUrl, trust, accountKeyPem, hosts: ['shop.test'], limits, ...change };
  const nothing = { publish: async () => {}, withdraw: async () => {} };
  const fault = await obtainByAcme(order, nothing, signal).catch((thrown: unknown) => thrown);
  if (fault instanceof AcmeFailed) return fault;
  throw new Error('It did not fail as it should.', { cause: fault });
}

const hang: Behaviour = () => {};
const stall: Behaviour = (response) => void response.writeHead(200).write('{');
const cut: Behaviour = (response) => void response.destroy();
const flood: Behaviour = (response) => void response.end(Buffer.alloc(4 * 1024 * 1024, ' '));
const problem = (type: string, detail: string) => ({ type: `urn:ietf:params:acme:error:${type}`, detail });

test.each(['directory', 'nonce', 'account', 'order', 'authorization', 'finalize', 'certificate'] as const)(
  'an authority that hangs at the %s is given up after the deadline, before and within an answer',
  async (step) => {
    for (const behaviour of [hang, stall]) {
      authority.behaviours[step] = behaviour;
      const start = performance.now();
      const { kind, message } = await failure();
      expect(kind).toBe('UNREACHABLE');
      expect(message).toContain('did not answer within 0.5 seconds');
      expect(performance.now() - start).toBeLessThan(5000);
    }
  },
);

test.each([
  ['closes', cut, 'UNREACHABLE', /ECONNRESET|hang up/],
  ['floods', flood, 'UNREACHABLE', /maxContentLength/],
  ['redirects', { status: 302, headers: { Location: 'https://127.0.0.1:1/' } }, 'BROKEN', /status 302/],
  ['shows a page', { body: '<html>Welcome</html>' }, 'BROKEN', /resource URL/],
  ['has no such page', { status: 404, body: '<html>' }, 'BROKEN', /like no ACME authority, with status 404/],
  ['is overloaded', { status: 503, headers: { 'Retry-After': '90' } }, 'UNREACHABLE', /status 503/],
] as const)(
  'a directory that %s is told as it is, at once and once',
  async (_, behaviour, kind, sentence) => {
    authority.behaviours.directory = behaviour;
    const failed = await failure();
    expect(failed.kind).toBe(kind);
    expect(failed.message).toMatch(sentence);
    expect(authority.steps).toEqual(['directory']);
  },
);

test('an address where nobody listens is told with the code', async () => {
  authority.close();
  const { kind, message } = await failure();
  expect(kind).toBe('UNREACHABLE');
  expect(message).toContain('ECONNREFUSED');
});

test('rate limits end the run at once, with the authority’s sentence and its time', async () => {
  const detail = 'too many certificates (5) already issued for "shop.test"\u0007 in the last 168h';
  const inTwoHours = new Date(Date.now() + 7_200_000).toUTCString();
  for (const [header, least, most] of [
    ['3600', 3600, 3600],
    [inTwoHours, 7190, 7201],
  ] as const) {
    authority.behaviours.order = {
      status: 429,
      headers: { 'Retry-After': header },
      body: problem('rateLimited', detail),
    };
    const failed = await failure();
    expect(failed).toMatchObject({ kind: 'RATE_LIMITED', problem: 'rateLimited' });
    expect(failed.says).toBe('too many certificates (5) already issued for "shop.test" in the last 168h');
    expect(failed.retryAfterSeconds).toBeGreaterThanOrEqual(least);
    expect(failed.retryAfterSeconds).toBeLessThanOrEqual(most);
  }
});

test('a refused order names the refused hosts', async () => {
  const shop = { type: 'dns', value: 'shop.test' };
  authority.behaviours.order = {
    status: 403,
    body: {
      ...problem('compound', 'Some identifiers are refused'),
      subproblems: [{ ...problem('caa', 'CAA forbids it'), identifier: shop }],
    },
  };
  expect(await failure()).toMatchObject({
    kind: 'REFUSED',
    problem: 'compound',
    says: 'Some identifiers are refused',
    hosts: [{ host: 'shop.test', says: 'CAA forbids it' }],
  });
});

test('an order that turns invalid after the proof is refused with its reason', async () => {
  const error = problem('badCSR', 'The key is on a list of known keys');
  authority.behaviours.finalize = { body: { status: 'invalid', error } };
  expect(await failure()).toMatchObject({ kind: 'REFUSED', says: error.detail });
});

test('an authority that never finishes is given up by the clock', async () => {
  authority.behaviours.finalize = { body: { status: 'processing' } };
  const { kind, message } = await failure();
  expect(kind).toBe('UNREACHABLE');
  expect(message).toContain('for 0.5 seconds');
});

test('a host that stays unverified, or has no proof by HTTP, is named', async () => {
  const identifier = { type: 'dns', value: 'shop.test' };
  const http = { type: 'http-01', url: authority.url('challenge'), token: 't', status: 'pending' };
  authority.behaviours.authorization = { body: { identifier, status: 'pending', challenges: [http] } };
  expect(await failure()).toMatchObject({
    kind: 'HOST_NOT_PROVEN',
    hosts: [{ host: 'shop.test', says: 'Not verified within 0.5 seconds.' }],
  });
  const byName = { ...http, type: 'dns-01' };
  authority.behaviours.authorization = { body: { identifier, status: 'pending', challenges: [byName] } };
  expect(await failure()).toMatchObject({ hosts: [{ says: expect.stringContaining('no proof by HTTP') }] });
});

test('a certificate that is junk or somebody else’s is not taken', async () => {
  expect(await failure()).toMatchObject({ kind: 'BROKEN', message: expect.stringContaining('certificate') });
  const { chain } = await makeSelfSigned(['shop.test'], new Date(), 1);
  authority.behaviours.certificate = { body: chain };
  expect(await failure()).toMatchObject({ kind: 'BROKEN', message: expect.stringContaining('belong') });
});

test('no address without TLS is asked, neither given nor named by the authority', async () => {
  expect(await failure({ directoryUrl: 'http://127.0.0.1:1/' })).toMatchObject({ kind: 'BROKEN' });
  authority.behaviours.directory = { body: { newNonce: 'http://127.0.0.1:1/', newAccount: 'file:///etc' } };
  const { kind, message } = await failure();
  expect([kind, message]).toEqual(['BROKEN', expect.stringContaining('not https')]);
});

test('used-up nonces are answered by fresh ones, a few times', async () => {
  authority.behaviours.account = { status: 400, body: problem('badNonce', 'Bad nonce') };
  expect(await failure()).toMatchObject({ kind: 'BROKEN', message: expect.stringContaining('Bad nonce') });
  expect(authority.steps.filter((step) => step === 'account').length).toBeGreaterThan(1);
});

test('a run ends with its signal, at once and with its reason', async () => {
  authority.behaviours.order = hang;
  const stop = new AbortController();
  const failed = failure({ limits: { requestSeconds: 60 } }, stop.signal);
  await expect.poll(() => authority.steps.includes('order')).toBe(true);
  const start = performance.now();
  stop.abort(new AcmeFailed('UNREACHABLE', 'stopped by hand'));
  expect((await failed).message).toBe('stopped by hand');
  expect(performance.now() - start).toBeLessThan(1000);
});

test('no failure carries keys or signed requests', async () => {
  const body = accountKeyPem.split('\n')[1] ?? '';
  for (const behaviour of [
    hang,
    cut,
    { status: 500 },
    { status: 403, body: problem('unauthorized', 'no') },
  ]) {
    authority.behaviours.order = behaviour;
    const failed = await failure();
    const all = JSON.stringify([failed, { ...failed }, failed.stack, String(failed.cause)]);
    expect(all).not.toContain(body.slice(0, 20));
    expect(all).not.toMatch(/protected|signature|payload/);
  }
});

test('the shared HTTP client is left as it was found', async () => {
  const seen = (): string => JSON.stringify([axios.defaults, interceptors()]);
  const before = seen();
  await failure();
  expect(seen()).toBe(before);
});

/** How many are hung on the shared client; axios tells it to nobody but its own loop. */
function interceptors(): number[] {
  return [axios.interceptors.request, axios.interceptors.response].map((manager) => {
    let count = 0;
    (manager as unknown as { forEach: (each: () => void) => void }).forEach(() => {
      count += 1;
    });
    return count;
  });
}
