// What the engine allows and must not stay: two networks of one name. Also the subnets a network may try.
import Docker from 'dockerode';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { openDocker } from '../../src/runtime/docker.ts';
import { parseSubnetRange, subnetsFor } from '../../src/runtime/docker-subnets.ts';
import { newInstallation } from '../support/engine.ts';
import { labelsOf, uniqueName } from './world.ts';

const ours = newInstallation();
const runtime = openDocker({ host: process.env.DOCKER_HOST, subnetRange: '10.214.0.0/16' });

afterAll(async () => {
  await ours.removeAll();
  runtime.close();
});

it('two networks of ours with one name become one when it is ensured', async () => {
  const name = uniqueName('network');
  const spec = { name, labels: labelsOf(ours.id, name) };
  await runtime.ensureNetwork(spec);
  const engine = new Docker();
  const IPAM = { Config: [{ Subnet: '10.215.3.0/26' }] };
  await engine.createNetwork({ Name: name, CheckDuplicate: false, Labels: spec.labels, IPAM });
  expect((await ours.remains()).networks).toHaveLength(2);
  await Promise.all([runtime.ensureNetwork(spec), runtime.ensureNetwork(spec)]);
  expect((await ours.remains()).networks).toHaveLength(1);
});

it('the subnets tried lie within the range, none twice, and in a small range all are tried', () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 12, max: 26 }), (name, length) => {
      const range = parseSubnetRange(`10.210.77.9/${length}`);
      const tried = [...subnetsFor(name, range, 64)];
      expect(new Set(tried).size).toBe(Math.min(64, 2 ** (26 - length)));
      for (const subnet of tried) {
        const [address = '', size] = subnet.split('/');
        const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
        expect(size).toBe('26');
        expect(number % 64).toBe(0);
        expect(number - range.first).toBeGreaterThanOrEqual(0);
        expect(number - range.first).toBeLessThan(2 ** (32 - length));
      }
    }),
  );
});

it.each(['', '10.0.0.0', '10.0.0.0/27', '10.0.0.256/16', 'fd00::/64', '10.0.0.0/16 '])(
  '%j is no range',
  (text) => {
    expect(() => parseSubnetRange(text)).toThrow('must look like');
  },
);
