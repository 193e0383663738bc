// The body of `npm test`: the Node that runs this, types, lint, then every test. Output is streamed; the last line counts.
// Starts no server itself: test/support/global-setup.ts does, and leaves nothing running.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = new URL('..', import.meta.url).pathname;
const bin = join(root, 'node_modules', '.bin');

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
  const folder = mkdtempSync(join(tmpdir(), 'berth-run-'));
  const report = join(folder, 'report.json');
  try {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const exit = await run('vitest', ['run', '--config', 'test/vitest.config.ts', ...reporters, ...filters]);
    return count(report, exit);
  } finally {
    rmSync(folder, { recursive: true, force: true });
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

/** The terminal's Ctrl-C reaches the program, too; we wait for it, so that its teardown isn't cut off. */
function run(program: string, args: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(bin, program), args, { cwd: root, stdio: 'inherit' });
    const pass = (signal: NodeJS.Signals): void => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    };
    process.on('SIGINT', pass).on('SIGTERM', pass);
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      process.off('SIGINT', pass).off('SIGTERM', pass);
      resolve(signal === null ? (code ?? 1) : 1);
    });
  });
}
