// A source that is little to push and without an end to read.
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { prepareContext } from '../../src/build/context.ts';
import { gitClientEnvironment, openWorld, type World } from './pusher.ts';

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.dispose());

/** Folders within folders, a hundred at each level, and nothing in them. */
function keepMaze(levels: number): string {
  const bare = world.repositories.path(world.repositoryId);
  const git = (args: string[], input = '') =>
    execFileSync('git', ['-C', bare, ...args], { input, env: gitClientEnvironment })
      .toString()
      .trim();
  let tree = git(['mktree']);
  for (let level = 0; level < levels; level++) {
    const names = Array.from({ length: 100 }, (_, at) => `040000 tree ${tree}\t${at + 100}\n`);
    tree = git(['mktree'], names.join(''));
  }
  return git(['commit-tree', '-m', 'A maze', tree]);
}

test('is given up when its build is', async () => {
  const sha = keepMaze(8);
  const { repositories, repositoryId } = world;
  const signal = AbortSignal.timeout(500);
  const began = performance.now();
  const preparing = prepareContext({ repositories, repositoryId, sha, baseImage: async () => '', signal });
  await expect(preparing).rejects.toThrow();
  expect(performance.now() - began).toBeLessThan(10_000);
});
