// Closing waits for nobody who is in no hurry, and can be asked for at any moment.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { freshDatabase } from '../support/postgres.ts';
import { askRedeploy, newService, openWorld, redeployed } from '../support/world.ts';

const main = new URL('../../src/main.ts', import.meta.url).pathname;

test('a job that takes its time to stop does not hold up the closing', async () => {
  const database = await freshDatabase();
  const stopping = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<void>();
  const world = await openWorld(database.url, {
    runtime: (runtime) => ({
      ...runtime,
      stopContainer: async (...input) => {
        stopping.resolve();
        await stopped.promise;
        return runtime.stopContainer(...input);
      },
    }),
  });
  try {
    const { serviceId } = await newService(world);
    await redeployed(world, serviceId);
    await askRedeploy(world, serviceId);
    await stopping.promise;
    const began = performance.now();
    await world.stop();
    expect(performance.now() - began).toBeLessThan(8_000);
  } finally {
    stopped.resolve();
    await world.close();
    await database.drop();
  }
}, 60_000);

test('a start that is asked to stop closes what it has opened', async () => {
  const database = await freshDatabase();
  const directory = await mkdtemp(join(tmpdir(), 'berth-closing-'));
  await chmod(directory, 0o711);
  const { PATH = '' } = process.env;
  const env = {
    PATH,
    PORT: '0',
    BERTH_DATA: directory,
    BERTH_HELLO: 'no',
    BERTH_EDGE: 'no',
    DATABASE_URL: database.url,
  };
  const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    let said = '';
    const starting = Promise.withResolvers<void>();
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('is starting')) starting.resolve();
    });
    await starting.promise;
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit', { signal: AbortSignal.timeout(30_000) });
    expect(said).toContain('Stopping.');
    expect(code).toBe(0);
  } finally {
    child.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
    await database.drop();
  }
}, 60_000);
