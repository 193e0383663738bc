// What containers and volumes use.
import { describe, expect, it } from 'vitest';
import { labelsOf, runToEnd, specOf, uniqueName, until, type World } from './world.ts';

const mebibyte = 1024 * 1024;

/** A file in a tmpfs is memory. */
export const useMemory = {
  bytes: 6 * mebibyte,
  script: `head -c ${6 * mebibyte} /dev/zero > /tmp/room; exec sleep 60`,
};
export const fillVolume = { bytes: 3_000_000, script: 'head -c 3000000 /dev/zero > /data/file' };

export function measureContract(world: () => World): void {
  describe('measuring', () => {
    it('memory in use and its limit, of what runs', async () => {
      const { runtime } = world();
      const spec = specOf(world(), useMemory.script);
      const { id } = await runtime.startContainer(spec);
      const seen = await until(
        'the memory is in use',
        () => runtime.memoryUse(id),
        (use) => (use?.usedBytes ?? 0) >= useMemory.bytes,
      );
      expect(seen?.usedBytes).toBeLessThan(useMemory.bytes + 4 * mebibyte);
      expect(seen?.limitBytes).toBe(64 * mebibyte);
    });

    it('of what has ended or never was there is none', async () => {
      const { runtime } = world();
      const { id } = await runToEnd(world(), 'exit 0');
      expect(await runtime.memoryUse(id)).toBeUndefined();
      expect(await runtime.memoryUse('0'.repeat(64))).toBeUndefined();
    });

    it('the sizes of all volumes of ours, and of no stranger', async () => {
      const { runtime, installation, foreign } = world();
      const [full, empty, theirs] = ['full', 'empty', 'theirs'].map(uniqueName) as [string, string, string];
      await runtime.ensureVolume({ name: full, labels: labelsOf(installation, full) });
      await runtime.ensureVolume({ name: empty, labels: labelsOf(installation, empty) });
      await runtime.ensureVolume({ name: theirs, labels: labelsOf(foreign, theirs) });
      await runToEnd(world(), fillVolume.script, { volume: { name: full, path: '/data' } });
      // At once, as several who ask do.
      const [sizes, again] = await Promise.all([
        runtime.volumeSizes(installation),
        runtime.volumeSizes(installation),
      ]);
      expect(sizes.get(full)).toBeGreaterThanOrEqual(fillVolume.bytes);
      expect(sizes.get(full)).toBeLessThan(fillVolume.bytes + 100_000);
      expect(sizes.get(empty)).toBeLessThan(10_000);
      expect(sizes.has(theirs)).toBe(false);
      expect(again.get(full)).toBe(sizes.get(full));
    });
  });
}
