// The configuration that is written: HAProxy accepts it for any spec that the platform accepts, refuses a broken one, and
// nothing that a caller named ever stands in it.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ProxyRotation } from '../../src/model/rotation.ts';
import type { SiteSpec } from '../../src/model/sites.ts';
import { proxyFiles } from '../../src/proxy/configuration.ts';
import { edgeFiles } from '../../src/proxy/edge.ts';
import { checkCommand, folder, type ProxyFile, paths } from '../../src/proxy/layout.ts';
import { UnfitForProxy } from '../../src/proxy/words.ts';
import { certificatePem, openProxyBench, type ProxyBench, rotation, site, standardLimits } from './bench.ts';

let bench: ProxyBench;
let pem: string;

beforeAll(async () => {
  bench = await openProxyBench();
  pem = await certificatePem('any.example');
}, 120_000);
afterAll(() => bench?.close());

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
const domain = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
const anyHost = fc.tuple(fc.boolean(), domain).map(([below, name]) => (below ? `.${name}` : name));
const anyOrigin = fc
  .tuple(fc.constantFrom('http', 'https'), domain, fc.option(fc.integer({ min: 1, max: 65_535 })))
  .map(([scheme, name, port]) => `${scheme}://${name}${port === null ? '' : `:${port}`}`);
const services = ['01890000-0000-7000-8000-000000000001', '01890000-0000-7000-8000-000000000002', 'none'];
const certificates = ['c-1', 'c-2', null];

const anySite = fc.record({
  id: fc.uuid(),
  host: anyHost,
  serviceId: fc.constantFrom(...services),
  certificateId: fc.constantFrom(...certificates),
  limits: fc.record({
    bodyBytes: fc.integer({ min: 1024, max: 10 * 1024 ** 3 }),
    connectSeconds: fc.integer({ min: 1, max: 60 }),
    sendSeconds: fc.integer({ min: 1, max: 3600 }),
    readSeconds: fc.integer({ min: 1, max: 3600 }),
  }),
  corsOrigins: fc.uniqueArray(anyOrigin, { maxLength: 4 }),
});
const anyRotation = fc.record({
  services: fc.uniqueArray(
    fc.record({
      serviceId: fc.constantFrom(...services),
      maintenance: fc.boolean(),
      servers: fc.uniqueArray(
        fc.record({
          jobId: fc.uuid(),
          address: fc.oneof(fc.ipV4(), fc.ipV6()),
          port: fc.integer({ min: 1, max: 65_535 }),
          state: fc.constantFrom('READY' as const, 'DRAIN' as const),
        }),
        { maxLength: 4, selector: (one) => one.jobId },
      ),
    }),
    { selector: (one) => one.serviceId },
  ),
  certificates: fc.constant({}),
  challenges: fc.dictionary(
    fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/),
    fc.stringMatching(/^[\w-]{1,40}\.[\w-]{1,40}$/),
  ),
});

function filesFor(sites: readonly SiteSpec[], wanted: ProxyRotation): ProxyFile[] {
  const pems = new Map([
    ['c-1', pem],
    ['c-2', pem],
  ]);
  return proxyFiles(bench.input({ sites, certificates: [] }, wanted, pems));
}

test('HAProxy accepts what is written for any sites and any rotation, without a warning', {
  timeout: 300_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(anySite, { maxLength: 12, selector: (one) => one.host }),
      anyRotation,
      async (sites, wanted) => {
        const { exitCode, output } = await bench.run(filesFor(sites, wanted), checkCommand);
        expect(output).not.toContain('WARNING');
        expect({ exitCode, output }).toMatchObject({ exitCode: 0 });
      },
    ),
    { numRuns: 25 },
  );
});

test('no text of a caller stands in a configuration file', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(anySite, { minLength: 1, maxLength: 5, selector: (one) => one.host }),
      anyRotation,
      (sites, wanted) => {
        const marked = sites.map((one, at) => ({
          ...one,
          host: `caller-${at}.example`,
          corsOrigins: ['https://caller.example'],
        }));
        for (const { path, content } of filesFor(marked, wanted)) {
          if (path.endsWith('.cfg')) expect(content).not.toContain('caller');
          expect(path.startsWith(`${folder}/`)).toBe(true);
        }
      },
    ),
    { numRuns: 50 },
  );
});

test.each<[string, Partial<SiteSpec>]>([
  ['a line end in a host', { host: 'a.example\nglobal' }],
  ['a blank in a host', { host: 'a.example s2' }],
  ['an upper case host', { host: 'A.example' }],
  ['a blank in an origin', { corsOrigins: ['https://a.example x'] }],
  ['a line end in an id', { id: 's1\n  server evil 10.0.0.1:1' }],
  ['a path as a certificate’s id', { certificateId: '../control/server' }],
  ['a limit that is no whole number', { limits: { ...standardLimits, readSeconds: 1.5 } }],
  ['a limit that is not a number', { limits: { ...standardLimits, bodyBytes: Number.NaN } }],
])('%s is thrown, not written', (_what, change) => {
  const sites = [site('s1', 'a.example', 'app', change)];
  const pems = new Map([['../control/server', pem]]);
  expect(() => proxyFiles(bench.input({ sites, certificates: [] }, rotation({ app: [] }), pems))).toThrow(
    UnfitForProxy,
  );
});

test('a site’s certificate that wasn’t handed over is thrown', () => {
  const sites = [site('s1', 'a.example', 'app', { certificateId: 'c-9' })];
  expect(() => filesFor(sites, rotation({}))).toThrow(/c-9/);
});

test('a configuration that HAProxy can’t start from is refused with the reason', async () => {
  const files = filesFor([site('s1', 'a.example', 'app', { certificateId: 'c-1' })], rotation({}));
  const broken = (path: string, content: string): ProxyFile[] =>
    files.map((file) => (file.path === path ? { ...file, content } : file));
  const nonsense = await bench.run(broken(paths.backends, 'backend x\n  nonsense\n'), checkCommand);
  expect(nonsense.exitCode).toBe(1);
  expect(nonsense.output).toContain("unknown keyword 'nonsense'");
  const keyless = await bench.run(broken(`${folder}/certificates/c-1.pem`, 'no certificate'), checkCommand);
  expect(keyless.exitCode).toBe(1);
});

test('the edge’s configuration is accepted, without a warning', async () => {
  const { control } = bench.input({ sites: [], certificates: [] }, rotation({}));
  const environments = [
    {
      slot: 63,
      hosts: ['a.example', '.b.example'],
      proxies: [{ jobId: 'p1', address: '10.0.0.9', state: 'READY' as const }],
    },
  ];
  const files = edgeFiles({
    ...{ address: '0.0.0.0', plainPort: 8000, securePort: 8443, controlPort: 9444, control },
    ...{ slots: 64, environments, threads: 2, connections: 5000 },
  });
  const { exitCode, output } = await bench.run(files, checkCommand);
  expect(output).not.toContain('WARNING');
  expect({ exitCode, output }).toMatchObject({ exitCode: 0 });
});
