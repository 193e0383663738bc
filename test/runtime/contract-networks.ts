// Networks: one of each name, apart from each other, and only ours touched.
import { describe, expect, it } from 'vitest';
import { ForeignObject } from '../../src/runtime/runtime.ts';
import { labelsOf, outputOf, runToEnd, specOf, uniqueName, type World } from './world.ts';

async function newNetwork(world: World): Promise<string> {
  const name = uniqueName('network');
  await world.runtime.ensureNetwork({ name, labels: labelsOf(world.installation, name) });
  return name;
}

async function countOf(world: World, name: string): Promise<number> {
  const { networks } = await world.runtime.inventory(world.installation);
  return networks.filter((network) => network.name === name).length;
}

export function networkContract(world: () => World): void {
  describe('networks', () => {
    it('ensuring at once and again leaves one network', async () => {
      const name = uniqueName('network');
      const spec = { name, labels: labelsOf(world().installation, name) };
      await Promise.all([1, 2, 3, 4].map(() => world().runtime.ensureNetwork(spec)));
      await world().runtime.ensureNetwork(spec);
      expect(await countOf(world(), name)).toBe(1);
    });

    it('one in use stays; when free it goes, and its name can be taken again', async () => {
      const { runtime, installation } = world();
      const network = await newNetwork(world());
      const spec = specOf(world(), 'sleep 60', { network });
      await runtime.startContainer(spec);
      await expect(runtime.removeNetwork(network, installation)).rejects.toMatchObject({
        name: 'EngineFault',
      });
      await runtime.removeContainer(spec.name, installation);
      await runtime.removeNetwork(network, installation);
      expect(await countOf(world(), network)).toBe(0);
      await runtime.ensureNetwork({ name: network, labels: labelsOf(installation, network) });
      expect(await countOf(world(), network)).toBe(1);
    });

    it('a foreign one is neither taken nor removed', async () => {
      const { runtime, installation, foreign } = world();
      const name = uniqueName('network');
      await runtime.ensureNetwork({ name, labels: labelsOf(foreign, name) });
      await expect(runtime.ensureNetwork({ name, labels: labelsOf(installation, name) })).rejects.toThrow(
        ForeignObject,
      );
      await expect(runtime.removeNetwork(name, installation)).rejects.toThrow(ForeignObject);
      expect((await runtime.inventory(foreign)).networks.map((one) => one.name)).toContain(name);
    });
  });
}

export function reachContract(world: () => World): void {
  describe('reach', () => {
    it('within one, jobs find each other by alias; from another, neither by name nor by address', async () => {
      const network = await newNetwork(world());
      const other = await newNetwork(world());
      const server = specOf(world(), 'echo hello > /tmp/x; httpd -f -p 8080 -h /tmp', {
        network,
        aliases: ['web'],
      });
      const { address } = await world().runtime.startContainer(server);
      const ask = (host: string) =>
        `for i in 1 2 3 4 5; do timeout 3 wget -q -O - http://${host}:8080/x && exit; sleep 0.3; done; exit 1`;
      const inside = await runToEnd(world(), ask('web'), { network });
      expect(await outputOf(world(), inside.name)).toContain('hello');
      const byName = await runToEnd(world(), 'timeout 3 wget -q -O - http://web:8080/x', { network: other });
      expect(byName.exitCode).not.toBe(0);
      const byAddress = await runToEnd(world(), `timeout 3 wget -q -O - http://${address}:8080/x`, {
        network: other,
      });
      expect(byAddress.exitCode).not.toBe(0);
    });
  });
}
