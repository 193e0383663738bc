// The one folder of a test run, and its end: whatever was started for the run and is still there goes with it, also after
// the run was cut off. Remembers the engine's pid in the folder, because the process that started it may be gone.
import { chmodSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stopEngine } from '../../src/setup/engine.ts';
import { clearPrivateEngine } from './private-engine-remains.ts';

export function newScratch(): string {
  const scratch = mkdtempSync(join(tmpdir(), 'berth-test-'));
  // mkdtemp closes it to all others, and the database's account has to pass.
  chmodSync(scratch, 0o711);
  return scratch;
}

export function rememberEngine(scratch: string, pid: number): void {
  writeFileSync(join(scratch, 'engine.pid'), String(pid));
}

export async function clearScratch(scratch: string): Promise<void> {
  const engine = join(scratch, 'engine.pid');
  if (existsSync(engine)) await stopEngine(Number(readFileSync(engine, 'utf8')));
  for (const directory of globSync(join(scratch, 'engine-*/'))) await clearPrivateEngine(directory);
  for (const file of globSync(join(scratch, '**/data/postmaster.pid'))) {
    const pid = Number(readFileSync(file, 'utf8').split('\n')[0]);
    const command = existsSync(`/proc/${pid}/cmdline`) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8') : '';
    if (command.includes(scratch)) process.kill(pid, 'SIGQUIT');
  }
  rmSync(scratch, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
}
