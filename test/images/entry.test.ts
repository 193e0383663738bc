// The entry point of PostgreSQL's image, by a PostgreSQL that only waits.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const script = new URL('../../src/images/recipes/entry/postgres.sh', import.meta.url).pathname;

test('a PostgreSQL that is stopped before it minds signals itself ends at once', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-entry-'));
  writeFileSync(join(directory, 'PG_VERSION'), '15');
  writeFileSync(join(directory, 'postgres'), '#!/bin/sh\necho $$\nexec sleep 20\n', { mode: 0o755 });
  const child = spawn('/bin/sh', [script, 'postgres'], {
    env: { PATH: `${directory}:${process.env.PATH}`, PGDATA: directory },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [pid] = await once(child.stdout, 'data');
    const program = () => readFileSync(`/proc/${String(pid).trim()}/comm`, 'utf8').trim();
    await expect.poll(program).toBe('sleep');
    child.kill('SIGTERM');
    const [code, signal] = await Promise.race([
      once(child, 'exit'),
      new Promise<never[]>((resolve) => setTimeout(() => resolve([]), 10_000)),
    ]);
    expect({ code, signal }).toEqual({ code: 143, signal: null });
  } finally {
    child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  }
});
