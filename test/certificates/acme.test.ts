// Certificates from a real ACME authority: obtained, obtained again, and refused with the authority's own words.
import { axios } from 'acme-client';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type AcmeOrder, newAccountKey, obtainByAcme } from '../../src/certificates/acme.ts';
import { AcmeFailed } from '../../src/certificates/acme-failure.ts';
import type { ChallengeAnswers } from '../../src/certificates/acme-proof.ts';
import { checkCertificate } from '../../src/certificates/check.ts';
import { InvalidInput } from '../../src/errors.ts';
import type { KeyedChain } from '../../src/model/certificates.ts';
import { type AcmeBench, openAcmeBench } from './acme-bench.ts';

const hosts = ['shop.test', 'www.shop.test'];
let bench: AcmeBench;

beforeAll(async () => {
  bench = await openAcmeBench(hosts);
}, 180_000);
afterAll(() => bench?.close());
beforeEach(() => {
  bench.answers.clear();
  bench.asked.length = 0;
});

const published: ChallengeAnswers = {
  publish: async (token, keyAuthorization) => void bench.answers.set(token, keyAuthorization),
  withdraw: async (token) => void bench.answers.delete(token),
};

function obtain(
  change: Partial<AcmeOrder> = {},
  answers: Partial<ChallengeAnswers> = {},
  signal = AbortSignal.timeout(25_000),
): Promise<KeyedChain> {
  const { directoryUrl, accountKeyPem, trust } = bench;
  const order = { directoryUrl, accountKeyPem, trust, hosts, contact: 'admin@shop.test', ...change };
  return obtainByAcme(order, { ...published, ...answers }, signal);
}

async function failure(attempt: Promise<unknown>): Promise<AcmeFailed> {
  const fault = await attempt.catch((thrown: unknown) => thrown);
  if (fault instanceof AcmeFailed) return fault;
  throw new Error('It did not fail as it should.', { cause: fault });
}

test('a certificate for all hosts is obtained, and every answer is withdrawn', async () => {
  const got = await obtain();
  const checked = checkCertificate({ ...got, hosts, trust: bench.trust, now: new Date() });
  expect(checked).toMatchObject({ keyType: 'EC P-256', selfSigned: false, chainLength: 2 });
  expect([...bench.asked].sort()).toEqual(hosts);
  expect(bench.answers.size).toBe(0);
});

test('a run cut off in its middle is simply started again, with the same account', async () => {
  const accountKeyPem = newAccountKey();
  const accounts = new Set<string | null>();
  const watch = axios.interceptors.request.use((config) => {
    if (typeof config.data?.protected === 'string') {
      const header = JSON.parse(Buffer.from(config.data.protected, 'base64url').toString());
      accounts.add(header.kid ?? null);
    }
    return config;
  });
  try {
    const cut = new AbortController();
    const crashed = obtain({ accountKeyPem }, { publish: async () => cut.abort('gone') }, cut.signal);
    await expect(crashed).rejects.toBe('gone');
    const [first, second] = [await obtain({ accountKeyPem }), await obtain({ accountKeyPem })];
    expect(first.privateKey).not.toBe(second.privateKey);
  } finally {
    axios.interceptors.request.eject(watch);
  }
  // Without an account's address only while it is made or found.
  expect([...accounts].filter((kid) => kid !== null)).toHaveLength(1);
});

test('runs side by side do not disturb each other', async () => {
  const [one, failed, other] = await Promise.allSettled([
    obtain({ hosts: ['shop.test'] }),
    obtain({ limits: { requestSeconds: 0.001 } }),
    obtain({ hosts: ['www.shop.test'], accountKeyPem: newAccountKey() }),
  ]);
  expect([one.status, failed.status, other.status]).toEqual(['fulfilled', 'rejected', 'fulfilled']);
});

test('a host that answers wrongly is named with the authority’s sentence, and only that one', async () => {
  const wrong = failure(
    obtain(
      {},
      {
        publish: async (token, keyAuthorization) => {
          await published.publish(token, bench.answers.size === 0 ? 'something else' : keyAuthorization);
        },
      },
    ),
  );
  const { kind, hosts: failed, message } = await wrong;
  expect(kind).toBe('HOST_NOT_PROVEN');
  expect(failed).toEqual([{ host: expect.stringContaining('shop.test'), says: expect.any(String) }]);
  expect(failed[0]?.says).toMatch(/will not issue certificates for the identifier/);
  expect(message).toContain(failed[0]?.host);
  expect(bench.answers.size).toBe(0);
});

test('a host that can’t be reached fails within seconds, and the others are not blamed', async () => {
  const { kind, hosts: failed } = await failure(obtain({ hosts: ['shop.test', 'nowhere.test'] }));
  expect(kind).toBe('HOST_NOT_PROVEN');
  expect(failed).toEqual([{ host: 'nowhere.test', says: expect.stringMatching(/could not/) }]);
});

test('an answer that comes late is still found, because the authority is asked to look again', async () => {
  const late: [string, string][] = [];
  const got = await obtain(
    { hosts: ['shop.test'] },
    {
      publish: async (token, keyAuthorization) => {
        late.push([token, keyAuthorization]);
        const publishOnceAsked = setInterval(() => {
          if (bench.asked.length === 0) return;
          clearInterval(publishOnceAsked);
          for (const [one, answer] of late) bench.answers.set(one, answer);
        }, 10);
      },
    },
  );
  expect(bench.asked.length).toBeGreaterThan(1);
  expect(got.chain).toContain('BEGIN CERTIFICATE');
});

test('answers are withdrawn when one can’t be published, and the reason comes through', async () => {
  const withdrawn: string[] = [];
  const attempt = obtain(
    {},
    {
      publish: async (token, keyAuthorization) => {
        if (bench.answers.size === 1) throw new InvalidInput([], 'no room');
        bench.answers.set(token, keyAuthorization);
      },
      withdraw: async (token) => {
        withdrawn.push(token);
        throw new Error('nor can it be withdrawn');
      },
    },
  );
  await expect(attempt).rejects.toThrow('no room');
  expect(withdrawn).toHaveLength(2);
  expect(bench.asked).toEqual([]);
});

test('without its root the authority is not trusted, and nothing is sent to it', async () => {
  const { kind, message } = await failure(obtain({ trust: undefined }));
  expect(kind).toBe('UNREACHABLE');
  expect(message).toMatch(/certificate.*\((UNABLE_TO_|SELF_SIGNED_)/);
});

test.each([
  [[], 'at least one'],
  [['.shop.test'], 'wildcard'],
  [['*.shop.test'], 'wildcard'],
  [['shop.test', 'sh op.test'], 'no host name'],
  [['127.0.0.1'], 'no host name'],
  [['büro.test'], 'no host name'],
  [Array.from({ length: 101 }, (_, index) => `h${index}.test`), '100'],
])('hosts are refused before the authority is asked (case %#)', async (given, sentence) => {
  const attempt = obtain({ hosts: given, directoryUrl: 'https://never.test/' });
  await expect(attempt).rejects.toThrow(InvalidInput);
  await expect(attempt).rejects.toThrow(sentence);
});
