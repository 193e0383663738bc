// Starting: once and only once, ours and only ours, and what a container may do.
import { describe, expect, it } from 'vitest';
import { EngineFault, ForeignObject, ImageMissing, StartRefused } from '../../src/runtime/runtime.ts';
import { busyboxChanges, busyboxTar } from '../support/busybox.ts';
import { getContainer, labelsOf, outputOf, runToEnd, specOf, uniqueName, type World } from './world.ts';

const imageTag = (): string => `${uniqueName('image')}:1`;

export function startContract(world: () => World): void {
  describe('starting', () => {
    it('a second start after a lost acknowledgement finds the same running container', async () => {
      const spec = specOf(world(), 'sleep 60');
      const first = await world().runtime.startContainer(spec);
      const second = await world().runtime.startContainer(spec);
      expect(second.id).toBe(first.id);
      expect(second.startedAt).toEqual(first.startedAt);
      expect(second).toMatchObject({
        state: 'RUNNING',
        name: spec.name,
        labels: spec.labels,
        exitCode: undefined,
      });
      expect(second.address).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
    });

    it('a container that has exited is never started again', async () => {
      const spec = specOf(world(), 'exit 7');
      await world().runtime.startContainer(spec);
      await world().runtime.waitContainer(spec.name, AbortSignal.timeout(15_000));
      const before = await getContainer(world(), spec.name);
      const after = await world().runtime.startContainer(spec);
      expect(after).toEqual(before);
      expect(after).toMatchObject({ state: 'EXITED', exitCode: 7 });
    });

    it('a name that another installation has is refused and left running', async () => {
      const foreign = specOf(world(), 'sleep 60', {});
      const theirs = { ...foreign, labels: labelsOf(world().foreign, foreign.name) };
      const before = await world().runtime.startContainer(theirs);
      await expect(world().runtime.startContainer(foreign)).rejects.toThrow(ForeignObject);
      expect(await world().runtime.inspectContainer(foreign.name, world().foreign)).toEqual(before);
    });

    it('a name of ours that another job has is refused', async () => {
      const spec = specOf(world(), 'sleep 60');
      await world().runtime.startContainer(spec);
      const other = { ...spec, labels: labelsOf(world().installation, 'another') };
      await expect(world().runtime.startContainer(other)).rejects.toThrow(ForeignObject);
    });

    it('an image that is not there is ImageMissing, and leaves nothing behind', async () => {
      const spec = specOf(world(), 'true', { imageId: `sha256:${'0'.repeat(64)}` });
      await expect(world().runtime.startContainer(spec)).rejects.toThrow(ImageMissing);
      expect(await world().runtime.inspectContainer(spec.name, world().installation)).toBeUndefined();
    });

    it.each([
      ['no such program', ['/no/such/program'], 127],
      ['a program that may not be executed', ['/etc/passwd'], 126],
    ])('%s is an exit with code', async (_, entrypoint, exitCode) => {
      const view = await runToEnd(world(), '', { entrypoint, command: [] });
      expect(view).toMatchObject({ state: 'EXITED', exitCode });
    });

    it('an image that can never start is an exit with code, whenever it is asked', async () => {
      const changes = [
        ...busyboxChanges,
        'USER nobody-of-this-name',
        `LABEL berth.installation=${world().installation}`,
      ];
      const imageId = await world().runtime.importImage(imageTag(), await busyboxTar(), changes);
      const spec = specOf(world(), 'true', { imageId });
      const view = await world().runtime.startContainer(spec);
      expect(view).toMatchObject({ state: 'EXITED', startedAt: undefined });
      expect(view.exitCode).toBeGreaterThan(125);
      expect(await world().runtime.startContainer(spec)).toEqual(view);
      expect(await getContainer(world(), spec.name)).toEqual(view);
      await world().runtime.waitContainer(spec.name, AbortSignal.timeout(5_000));
      expect(await world().runtime.stopContainer(spec.name, world().installation, 1)).toEqual(view);
    });

    it('what the engine will never start is refused in its own words; what it may start later is unknown', async () => {
      const changes = [`LABEL berth.installation=${world().installation}`];
      const idle = { imageId: await world().runtime.importImage(imageTag(), await busyboxTar(), changes) };
      const { command: _none, ...nothingToRun } = specOf(world(), '', idle);
      const refused = world().runtime.startContainer(nothingToRun);
      await expect(refused).rejects.toThrow(StartRefused);
      await expect(refused).rejects.toThrow(/no command specified/i);
      const nowhere = specOf(world(), 'true', { network: uniqueName('network') });
      await expect(world().runtime.startContainer(nowhere)).rejects.toThrow(EngineFault);
    });

    it('a volume that is not there, or not ours, is never mounted', async () => {
      const name = `${specOf(world(), '').name}-data`;
      const spec = specOf(world(), 'true', { volume: { name, path: '/data' } });
      await expect(world().runtime.startContainer(spec)).rejects.toThrow('there is none');
      await world().runtime.ensureVolume({ name, labels: labelsOf(world().foreign, name) });
      await expect(world().runtime.startContainer(spec)).rejects.toThrow(ForeignObject);
    });
  });
}

export function confinementContract(world: () => World): void {
  describe('confinement', () => {
    it('drops every capability but the named and allows no new privileges', async () => {
      const script = 'grep -E "^(CapEff|NoNewPrivs)" /proc/self/status';
      const bare = await runToEnd(world(), script);
      expect(await outputOf(world(), bare.name)).toBe('CapEff:\t0000000000000000\nNoNewPrivs:\t1');
      const some = await runToEnd(world(), script, { capabilities: ['CHOWN', 'SETUID'] });
      expect(await outputOf(world(), some.name)).toContain('CapEff:\t0000000000000081');
    });

    it('keeps the root read-only and gives the tmpfs asked for', async () => {
      const script = 'touch /x; dd if=/dev/zero of=/tmp/x bs=1M count=20; stat -c %s /tmp/x';
      const view = await runToEnd(world(), script);
      const output = await outputOf(world(), view.name);
      expect(output).toContain('Read-only file system');
      // Of two streams the engine keeps no order.
      expect(output.split('\n')).toContain(String(8 * 1024 * 1024));
    });

    it('stops what takes more memory than its own, and says that this was it', async () => {
      const script = 'dd if=/dev/zero of=/dev/null bs=200M count=1';
      const view = await runToEnd(world(), script, { memoryBytes: 16 * 1024 * 1024 });
      expect(view).toMatchObject({ state: 'EXITED', exitCode: 137, outOfMemory: true });
    });

    it('allows no more processes than the limit', async () => {
      const script = 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done';
      const view = await runToEnd(world(), script, { processLimit: 8 });
      expect(await outputOf(world(), view.name)).toMatch(/can't fork/);
    });

    it('takes more CPU than the machine has for no reason to fail', async () => {
      const view = await runToEnd(world(), 'true', { cpuMillis: 1_000_000 });
      expect(view.exitCode).toBe(0);
    });

    it('files are there from the start, also where the root is read-only and they lie in the volume', async () => {
      const volume = { name: `${specOf(world(), '').name}-data`, path: '/data' };
      await world().runtime.ensureVolume({
        name: volume.name,
        labels: labelsOf(world().installation, volume.name),
      });
      const files = [
        { path: '/data/in/key', content: 'of the start', mode: 0o400 },
        { path: '/data/top', content: ' of the root', mode: 0o400 },
      ];
      const given = { files, fileOwner: { uid: 7, gid: 7 }, volume };
      for (const readOnlyRoot of [true, false]) {
        const script = 'cat /data/in/key /data/top; stat -c " %u %a" /data/in/key';
        const { name } = await runToEnd(world(), script, { ...given, readOnlyRoot, user: '7:7' });
        expect(await outputOf(world(), name)).toBe('of the start of the root 7 400');
      }
      const outside = {
        ...given,
        files: [{ path: '/etc/key', content: '', mode: 0o400 }],
        readOnlyRoot: true,
      };
      await expect(world().runtime.startContainer(specOf(world(), 'true', outside))).rejects.toThrow();
    });
  });
}
