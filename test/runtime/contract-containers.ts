// After the start: looking, stopping, waiting, removing, and the inventory.
import { describe, expect, it } from 'vitest';
import { ForeignObject } from '../../src/runtime/runtime.ts';
import { getContainer, labelsOf, readAll, runToEnd, specOf, uniqueName, until, type World } from './world.ts';

const stubborn = 'trap "echo asked" TERM; echo ready; while :; do sleep 0.1; done';

async function startStubborn(world: World): Promise<string> {
  const spec = specOf(world, stubborn);
  await world.runtime.startContainer(spec);
  await until(
    'the trap is set',
    () => readAll(world, spec.name),
    (lines) => lines.some((line) => line.text === 'ready'),
  );
  return spec.name;
}

export function containerContract(world: () => World): void {
  stopContract(world);
  waitContract(world);

  describe('removing and looking', () => {
    it('what is not there is no fault, however often it is asked', async () => {
      const name = uniqueName('none');
      const { runtime, installation } = world();
      expect(await runtime.inspectContainer(name, installation)).toBeUndefined();
      expect(await runtime.stopContainer(name, installation, 1)).toBeUndefined();
      await runtime.removeContainer(name, installation);
      await runtime.removeNetwork(name, installation);
      await runtime.removeVolume(name, installation);
      await runtime.removeImage(`${name}:1`);
      expect(await readAll(world(), name, { follow: true })).toEqual([]);
    });

    it('the beginning of an id is no name', async () => {
      const spec = specOf(world(), 'sleep 60');
      const { id } = await world().runtime.startContainer(spec);
      expect(await world().runtime.inspectContainer(id.slice(0, 12), world().installation)).toBeUndefined();
      await world().runtime.removeContainer(id, world().installation);
      expect((await getContainer(world(), spec.name)).state).toBe('RUNNING');
    });

    it('foreign objects are refused and stay as they are', async () => {
      const { runtime, installation, foreign } = world();
      const spec = specOf(world(), 'sleep 60');
      const theirs = await runtime.startContainer({ ...spec, labels: labelsOf(foreign, spec.name) });
      const volume = uniqueName('volume');
      await runtime.ensureVolume({ name: volume, labels: labelsOf(foreign, volume) });
      await expect(runtime.inspectContainer(spec.name, installation)).rejects.toThrow(ForeignObject);
      await expect(runtime.stopContainer(spec.name, installation, 0)).rejects.toThrow(ForeignObject);
      await expect(runtime.removeContainer(spec.name, installation)).rejects.toThrow(ForeignObject);
      await expect(runtime.removeVolume(volume, installation)).rejects.toThrow(ForeignObject);
      await expect(
        runtime.ensureVolume({ name: volume, labels: labelsOf(installation, volume) }),
      ).rejects.toThrow(ForeignObject);
      expect(await runtime.inspectContainer(spec.name, foreign)).toEqual(theirs);
      expect((await runtime.inventory(foreign)).volumes.map((one) => one.name)).toContain(volume);
    });

    it('the inventory holds all of ours and nothing else', async () => {
      const { runtime, installation } = world();
      const running = specOf(world(), 'sleep 60');
      const view = await runtime.startContainer(running);
      const ended = await runToEnd(world(), 'exit 3');
      const volume = uniqueName('volume');
      await runtime.ensureVolume({ name: volume, labels: labelsOf(installation, volume) });
      const all = await runtime.inventory(installation);
      const find = (name: string) => all.containers.find((one) => one.name === name);
      expect(find(running.name)).toEqual({ ...view, startedAt: undefined });
      expect(find(ended.name)).toMatchObject({ state: 'EXITED', exitCode: 3, labels: ended.labels });
      expect(all.volumes).toContainEqual({ name: volume, labels: labelsOf(installation, volume) });
      expect(all.networks.map((one) => one.name)).toContain(world().network);
      const containers = all.containers.map((one) => one.labels['berth.installation']);
      expect(new Set(containers)).toEqual(new Set([installation]));
    });

    it('a volume keeps its data from one container to the next, and stays while one holds it', async () => {
      const { runtime, installation } = world();
      const volume = { name: uniqueName('volume'), path: '/data' };
      const spec = { name: volume.name, labels: labelsOf(installation, volume.name) };
      await Promise.all([runtime.ensureVolume(spec), runtime.ensureVolume(spec)]);
      await runToEnd(world(), 'echo kept > /data/file', { volume });
      const second = await runToEnd(world(), 'cat /data/file', { volume });
      expect((await readAll(world(), second.name)).map((line) => line.text)).toEqual(['kept']);
      await expect(runtime.removeVolume(volume.name, installation)).rejects.toMatchObject({
        statusCode: 409,
      });
    });
  });
}

function stopContract(world: () => World): void {
  describe('stopping', () => {
    it('asks, waits out the grace period, then kills', async () => {
      const name = await startStubborn(world());
      const before = performance.now();
      const view = await world().runtime.stopContainer(name, world().installation, 2);
      expect(performance.now() - before).toBeGreaterThan(1_900);
      expect(view).toMatchObject({ state: 'EXITED', exitCode: 137, outOfMemory: false });
      expect(view?.finishedAt).toBeInstanceOf(Date);
      expect((await readAll(world(), name)).map((line) => line.text)).toContain('asked');
    });

    it('does not wait for one that goes when asked, and answers the same a second time', async () => {
      const spec = specOf(world(), 'sleep 60');
      await world().runtime.startContainer(spec);
      const before = performance.now();
      const view = await world().runtime.stopContainer(spec.name, world().installation, 20);
      expect(performance.now() - before).toBeLessThan(10_000);
      expect(view).toMatchObject({ state: 'EXITED', exitCode: 143 });
      expect(await world().runtime.stopContainer(spec.name, world().installation, 20)).toEqual(view);
    });

    it('by the id of its start it is that container and no other that has its name by now', async () => {
      const { runtime, installation } = world();
      const spec = specOf(world(), 'sleep 60');
      const { id } = await runtime.startContainer(spec);
      await runtime.removeContainer(spec.name, installation);
      const namesake = await runtime.startContainer(spec);
      expect(await runtime.stopContainer(spec.name, installation, 0, id)).toBeUndefined();
      expect(await getContainer(world(), spec.name)).toEqual(namesake);
      const stopped = await runtime.stopContainer(spec.name, installation, 0, namesake.id);
      expect(stopped).toMatchObject({ id: namesake.id, state: 'EXITED' });
    });

    it('removing takes a running one away too', async () => {
      const name = await startStubborn(world());
      await world().runtime.removeContainer(name, world().installation);
      expect(await world().runtime.inspectContainer(name, world().installation)).toBeUndefined();
    });
  });
}

function waitContract(world: () => World): void {
  describe('waiting', () => {
    it('answers when the container has exited, also when it has long', async () => {
      const spec = specOf(world(), 'sleep 1; exit 4');
      await world().runtime.startContainer(spec);
      await world().runtime.waitContainer(spec.name, AbortSignal.timeout(15_000));
      expect(await getContainer(world(), spec.name)).toMatchObject({ state: 'EXITED', exitCode: 4 });
      await world().runtime.waitContainer(spec.name, AbortSignal.timeout(15_000));
      await world().runtime.waitContainer(uniqueName('none'), AbortSignal.timeout(15_000));
    });

    it('answers promptly when the signal fires', async () => {
      const spec = specOf(world(), 'sleep 60');
      await world().runtime.startContainer(spec);
      const stop = new AbortController();
      const wait = world().runtime.waitContainer(spec.name, stop.signal);
      setTimeout(() => stop.abort(), 300);
      const before = performance.now();
      await wait;
      expect(performance.now() - before).toBeLessThan(3_000);
      expect((await getContainer(world(), spec.name)).state).toBe('RUNNING');
    });
  });
}
