// The migrations are what the tables in the code ask for: generating more of them from a copy brings nothing.
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = new URL('../..', import.meta.url).pathname;

test('nothing is left to migrate', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'berth-drizzle-'));
  try {
    cpSync(join(root, 'drizzle'), folder, { recursive: true });
    const before = readdirSync(folder);
    expect(before.length).toBeGreaterThan(0);
    const options = [
      '--dialect',
      'postgresql',
      '--schema',
      './src/postgres/tables/index.ts',
      '--out',
      folder,
    ];
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [join(root, 'node_modules/drizzle-kit/bin.cjs'), 'generate', ...options],
      { cwd: root },
    );
    expect(readdirSync(folder)).toEqual(before);
    expect(stdout).toContain('No schema changes');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
