// What an attempt leads to: tried again over more than a day, at the receiver's wish later, given up in the end; and which
// addresses an endpoint may have.
import { expect, test } from 'vitest';
import { type Attempt, checkWebhookUrl, judge, messageId, retrySeconds } from '../../src/model/webhooks.ts';

const attempt = (status: number | null, retryAfterSeconds: number | null = null): Attempt => ({
  ...{ status, retryAfterSeconds, answer: '', error: null },
});

const strict = { plain: false, mail: false };

test('a delivery that always fails has nine tries over more than a day, and disables its endpoint', () => {
  const verdicts = [...retrySeconds.keys()].map((index) => judge(attempt(500), index + 1, 0));
  expect(verdicts).toEqual(retrySeconds.map((waitSeconds) => ({ state: 'PENDING', waitSeconds })));
  expect(verdicts.length).toBeGreaterThanOrEqual(8);
  expect(retrySeconds.reduce((sum, each) => sum + each, 0)).toBeGreaterThan(86_400);
  expect(judge(attempt(null), 9, 0)).toEqual({ state: 'FAILED', disable: 'EXHAUSTED' });
});

test('any 2xx is a success, a redirect is none, and 410 ends it at once', () => {
  for (const status of [200, 204, 299]) expect(judge(attempt(status), 9, 1)).toEqual({ state: 'SUCCEEDED' });
  for (const status of [199, 302, 404, 500, null]) expect(judge(attempt(status), 1, 0).state).toBe('PENDING');
  expect(judge(attempt(410), 1, 0)).toEqual({ state: 'FAILED', disable: 'GONE' });
});

test('chance and the receiver make the wait longer, never shorter, and within bounds', () => {
  expect(judge(attempt(500), 2, 1)).toEqual({ state: 'PENDING', waitSeconds: 360 });
  expect(judge(attempt(429, 1), 2, 0)).toEqual({ state: 'PENDING', waitSeconds: 300 });
  expect(judge(attempt(429, 900), 2, 0)).toEqual({ state: 'PENDING', waitSeconds: 900 });
  expect(judge(attempt(429, 1e9), 2, 0)).toEqual({ state: 'PENDING', waitSeconds: 43_200 });
});

test('a message has the same id at every try', () => {
  expect(messageId({ environmentId: '018f-3c', epoch: 'e1', seq: 7 })).toBe('msg_018f3c_e1_7');
});

test.each([
  ['http://example.org/'],
  ['ftp://example.org/'],
  ['/hook'],
  ['https://user@example.org/'],
  ['https://:word@example.org/'],
  ['https://example.org/#part'],
  ['https://example.org/ä'],
  ['https://example.org:0/'],
  [`https://example.org/${'x'.repeat(2_000)}`],
])('%s is no endpoint', (url) => {
  expect(() => checkWebhookUrl(url, strict, ['input', 'url'])).toThrow(/must/);
});

test('plain HTTP is for who allows it', () => {
  expect(checkWebhookUrl('http://127.0.0.1:1/hook', { ...strict, plain: true }, [])).toBe(
    'http://127.0.0.1:1/hook',
  );
  expect(checkWebhookUrl('https://example.org', strict, [])).toBe('https://example.org/');
});

test('a mail address is one address, and needs a mail server', () => {
  const mailing = { plain: false, mail: true };
  expect(checkWebhookUrl('mailto:alarms@example.org', mailing, [])).toBe('mailto:alarms@example.org');
  expect(() => checkWebhookUrl('mailto:alarms@example.org', strict, [])).toThrow(/no mail server/);
  for (const wrong of [
    'mailto:',
    'mailto:a',
    'mailto:a@b,c@d',
    'mailto:a@b?cc=c@d',
    'mailto:a%0A@b',
    'mailto:<a@b>',
  ])
    expect(() => checkWebhookUrl(wrong, mailing, [])).toThrow(/one mail address/);
});
