// The body of `npm test`: the Node that runs this, types, lint, then every test. Output is streamed; the last line counts.
// Starts no server itself: test/support/global-setup.ts does. Leaves nothing running, also when it is interrupted.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clearScratch, newScratch } from './support/scratch.ts';

const root = new URL('..', import.meta.url).pathname;
const bin = join(root, 'node_modules', '.bin');

let interrupted = false;

process.exitCode = await main();

async function main(): Promise<number> {
  checkNode();
  let failed = 0;
  let passed = 0;
  const steps: [string, string[]][] = [
    ['tsc', ['--noEmit']],
    ['biome', ['check', '.']],
  ];
  for (const [program, args] of steps) {
    console.log(`\n${program} ${args.join(' ')}`);
    if ((await run(program, args)) === 0) passed += 1;
    else failed += 1;
    if (interrupted) return 130;
  }
  const tests = await runTests(process.argv.slice(2));
  console.log(`\n${passed + tests.passed} passed, ${failed + tests.failed} failed`);
  return failed + tests.failed === 0 ? 0 : 1;
}

function checkNode(): void {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 22 || (major === 22 && minor >= 18)) return;
  console.error(`The tests need Node 22.18 or newer; this is ${process.version}. Run them with "npm test".`);
  process.exit(1);
}

async function runTests(filters: string[]): Promise<{ passed: number; failed: number }> {
  const scratch = newScratch();
  process.env.BERTH_TEST_SCRATCH = scratch;
  const folder = mkdtempSync(join(tmpdir(), 'berth-run-'));
  const report = join(folder, 'report.json');
  try {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const exit = await run('vitest', ['run', '--config', 'test/vitest.config.ts', ...reporters, ...filters]);
    return count(report, exit);
  } finally {
    rmSync(folder, { recursive: true, force: true });
    // Once more, because vitest leaves on a signal without its teardown.
    await clearScratch(scratch);
  }
}

/** A run that ends badly without a failed test (a broken file, an error outside a test) counts as one failure. */
function count(report: string, exit: number): { passed: number; failed: number } {
  let seen = { numPassedTests: 0, numFailedTests: 0 };
  try {
    seen = JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    console.error('vitest ended without a report.');
    return { passed: 0, failed: 1 };
  }
  const failed = exit !== 0 && seen.numFailedTests === 0 ? 1 : seen.numFailedTests;
  return { passed: seen.numPassedTests, failed };
}

/**
 * In a process group of its own, so that Ctrl-C reaches it once, through us: a second one within a moment would make vitest
 * leave without its teardown. We wait for it to end either way.
 */
function run(program: string, args: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(bin, program), args, {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const pass = (signal: NodeJS.Signals): void => {
      interrupted = true;
      child.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal);
    };
    process.on('SIGINT', pass).on('SIGTERM', pass).on('SIGHUP', pass);
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      endGroup(child.pid);
      process.off('SIGINT', pass).off('SIGTERM', pass).off('SIGHUP', pass);
      resolve(signal === null ? (code ?? 1) : 1);
    });
  });
}

/** Workers may outlive their parent for a moment, and would go on starting things. */
function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // The group is empty: the usual case.
  }
}
