// Which hosts a certificate covers, and when it is renewed or worried about.
import { expect, test } from 'vitest';
import { certificateHostsFor, coversHost, expiresSoon, renewAt } from '../../src/model/certificates.ts';

test.each([
  [['shop.example.org'], 'shop.example.org', true],
  [['Shop.Example.org.'], 'shop.example.ORG', true],
  [['shop.example.org'], 'www.example.org', false],
  [['example.org'], 'shop.example.org', false],
  [['*.example.org'], 'shop.example.org', true],
  [['*.example.org'], 'a.shop.example.org', false],
  [['*.example.org'], 'example.org', false],
  [['*.example.org'], '.example.org', false],
  [['example.org'], '.example.org', false],
  [['*.example.org', 'example.org'], '.example.org', true],
  [['*.shop.example.org', '*.example.org'], '.shop.example.org', true],
  [['sh*.example.org'], 'shop.example.org', false],
  [['*hop.example.org'], 'shop.example.org', false],
  [['shop.*.org'], 'shop.example.org', false],
  [['*.*.example.org'], 'a.b.example.org', false],
  [['*.org'], 'example.org', false],
  [['*'], 'example', false],
  [['*'], 'example.org', false],
  [['*.xn--bcher-kva.example'], 'a.xn--bcher-kva.example', true],
  [[], 'example.org', false],
  [['*.example.org'], '', false],
])('%j covers %s: %s', (offered, host, expected) => {
  expect(coversHost(offered, host)).toBe(expected);
});

test('a domain with everything below it needs the domain and its wildcard', () => {
  expect(certificateHostsFor('.example.org')).toEqual(['example.org', '*.example.org']);
  expect(coversHost(certificateHostsFor('.example.org'), '.example.org')).toBe(true);
});

const start = new Date('2030-01-01T00:00:00Z');
const after = (hours: number): Date => new Date(start.getTime() + hours * 3_600_000);

test('a certificate is renewed with a third of its lifetime left, however short that is', () => {
  expect(renewAt(start, after(90 * 24))).toEqual(after(60 * 24));
  expect(renewAt(start, after(12))).toEqual(after(8));
});

test('expiry is critical from fourteen days before', () => {
  const notAfter = after(100 * 24);
  expect(expiresSoon({ notAfter }, after(86 * 24 - 1))).toBe(false);
  expect(expiresSoon({ notAfter }, after(86 * 24))).toBe(true);
  expect(expiresSoon({ notAfter }, after(200 * 24))).toBe(true);
});
