// Work that hangs holds up its own environment's alone, and what can't hang is still bounded.
import { expect, test } from 'vitest';
import { fairLimit } from '../../src/orchestrator/fair-limit.ts';

test('one whose work hangs takes its own places and no more', async () => {
  const limits = fairLimit(2, 3);
  const hangs = Promise.withResolvers<string>();
  const hanging = Array.from({ length: 10 }, () => limits.run('a', () => hangs.promise));
  expect(await limits.run('b', async () => 'done')).toBe('done');
  let begun = 0;
  const over = Promise.withResolvers<void>();
  const work = async () => {
    begun += 1;
    await over.promise;
  };
  const others = ['b', 'c', 'd'].map((environment) => limits.run(environment, work));
  await new Promise(setImmediate);
  expect(begun).toBe(1);
  over.resolve();
  await Promise.all(others);
  expect(begun).toBe(3);
  hangs.resolve('at last');
  expect(new Set(await Promise.all(hanging))).toEqual(new Set(['at last']));
});

test('what fails frees its place and is told', async () => {
  const limits = fairLimit(1);
  await expect(limits.run('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await limits.run('a', async () => 1)).toBe(1);
});
