// What an image of a program of ours takes along, and that its tag follows from it.
import { existsSync } from 'node:fs';
import { afterEach, expect, test, vi } from 'vitest';
import { recipeTag } from '../../src/images/make.ts';
import { digestProgram, traceProgram } from '../../src/images/program.ts';
import { findRecipe } from '../../src/images/recipes/index.ts';
import { parseReference } from '../../src/images/reference.ts';

const firstFile = 'src/agents/monitoring/main.ts';

const changes = vi.hoisted(() => new Map<string, string>());
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const readFile = async (path: string, encoding?: 'utf8') => {
    const [, change] = [...changes].find(([end]) => path.endsWith(end)) ?? [];
    const text = await real.readFile(path, 'utf8');
    return encoding === undefined ? Buffer.from(text + (change ?? '')) : text + (change ?? '');
  };
  return { ...real, readFile };
});
afterEach(() => changes.clear());

test('the monitoring agent takes its sources and its packages along, threads included, and nothing of the control plane', async () => {
  const { sources, packages } = await traceProgram(firstFile);
  expect(sources).toContain('src/agents/monitoring/store-thread.ts');
  expect(sources).toContain('src/checks/run.ts');
  expect(
    sources.filter((path) => !/^src\/((agents\/monitoring|checks|model)\/|[a-z-]+\.ts$)/.test(path)),
  ).toEqual([]);
  const names = packages.map(({ path }) => path);
  expect(names).toEqual(
    expect.arrayContaining(['node_modules/zod', 'node_modules/pino', 'node_modules/sonic-boom']),
  );
  for (const foreign of ['graphql', 'dockerode', 'vitest', 'drizzle-orm', '@types/node'])
    expect(names).not.toContain(`node_modules/${foreign}`);
  for (const path of names) expect(existsSync(`${path}/package.json`), path).toBe(true);
});

test('any change of a source is another image; what it does not consist of changes nothing', async () => {
  const recipe = findRecipe(parseReference('berth/monitoring'));
  if (recipe === undefined) throw new Error('There is no recipe.');
  const tag = () => recipeTag(recipe, { version: '' });
  const before = await tag();
  expect(await tag()).toBe(before);
  const seen = new Set([before]);
  for (const source of [
    'src/agents/monitoring/store.ts',
    'src/model/monitoring/observations.ts',
    'src/checks/run.ts',
  ]) {
    changes.set(source, '\n// Changed.\n');
    seen.add(await tag());
    changes.clear();
  }
  expect(seen.size).toBe(4);
  changes.set('src/main.ts', '\n// Changed.\n');
  expect(await tag()).toBe(before);
});

test('another version of a package is another program', async () => {
  const program = await traceProgram(firstFile);
  const [first, ...others] = program.packages;
  const newer = { ...program, packages: [{ path: first?.path ?? '', version: '99.0.0' }, ...others] };
  expect(await digestProgram(newer)).not.toBe(await digestProgram(program));
});
