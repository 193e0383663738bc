// The installation that runs before anything else, on a scratch copy with no dependencies to fetch.
import { type ExecFileException, execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'berth-install-'));
  mkdirSync(join(folder, 'src', 'setup'), { recursive: true });
  const script = new URL('../../src/setup/install.mjs', import.meta.url).pathname;
  cpSync(script, join(folder, 'src', 'setup', 'install.mjs'));
  writeManifest('1.0.0', {});
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function writeManifest(version: string, dependencies: Record<string, string>): void {
  const manifest = { name: 'scratch', version, dependencies };
  const lock = {
    name: 'scratch',
    version,
    lockfileVersion: 3,
    packages: { '': { name: 'scratch', version } },
  };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify(lock));
}

function install(...nodeOptions: string[]): Promise<{ code: number; said: string }> {
  const script = join(folder, 'src', 'setup', 'install.mjs');
  return new Promise((resolve) => {
    execFile(process.execPath, [...nodeOptions, script], (fault: ExecFileException | null, _, said) =>
      resolve({ code: fault === null ? 0 : Number(fault.code), said }),
    );
  });
}

test('a fresh clone installs and says so; the second start says nothing and is quick', async () => {
  const first = await install();
  expect(first).toEqual({ code: 0, said: 'Installing the dependencies (once).\n' });
  const started = performance.now();
  expect(await install()).toEqual({ code: 0, said: '' });
  expect(performance.now() - started).toBeLessThan(3_000);
});

test('a changed lock file installs again, and only once', async () => {
  await install();
  writeManifest('2.0.0', {});
  expect((await install()).said).toBe('The dependencies changed; installing them again.\n');
  expect((await install()).said).toBe('');
});

test('two starts at once install once; the other waits', async () => {
  const both = await Promise.all([install(), install()]);
  expect(both.map((one) => one.code)).toEqual([0, 0]);
  const said = both.map((one) => one.said).join('');
  expect(said.match(/Installing the dependencies/g)).toHaveLength(1);
});

test('a lock that a killed installation left behind is taken over', async () => {
  mkdirSync(join(folder, '.berth'));
  writeFileSync(join(folder, '.berth', 'install.lock'), '999999999');
  expect((await install()).code).toBe(0);
  expect(readdirSync(join(folder, '.berth'))).toEqual([]);
});

test('a failed installation ends with a sentence, is tried again next time, and leaves no lock', async () => {
  writeManifest('1.0.0', { 'not-in-the-lock': '1.0.0' });
  const failed = await install();
  expect(failed.code).toBe(1);
  expect(failed.said).toMatch(/Installing the dependencies failed; npm says why above\..*\n$/);
  expect(existsSync(join(folder, '.berth', 'install.lock'))).toBe(false);
  writeManifest('1.0.0', {});
  expect((await install()).code).toBe(0);
});

test('a Node that is too old, without the brought one, is refused with what to do', async () => {
  const old = 'data:text/javascript,Object.defineProperty(process,"version",{value:"v20.1.0"})';
  const refused = await install('--import', old);
  expect(refused.code).toBe(1);
  expect(refused.said).toContain('Berth runs on Node 22.18 or newer, and this is v20.1.0');
  expect(refused.said).toContain(`node-${process.platform}-${process.arch}`);
});
