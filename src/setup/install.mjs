// What runs before anything else, on whatever Node is there (18 or newer): installs the dependencies when they are missing
// or no longer match package-lock.json, and makes sure that the Node which runs the project is new enough. Plain
// JavaScript without dependencies, because there are none yet. Starts nothing of the product.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const modules = join(root, 'node_modules');
const stamp = join(modules, '.installed-lock-sha256');
const ownNode = join(modules, '.bin', 'node');
const leastNode = [22, 18];

/** Something a person has to put right; its message says what. */
class Stop extends Error {}

try {
  main();
} catch (fault) {
  if (!(fault instanceof Stop)) throw fault;
  say(fault.message);
  process.exitCode = 1;
}

function main() {
  if (!installed()) {
    const lock = takeLock();
    try {
      if (!installed()) install();
    } finally {
      rmSync(lock, { force: true });
    }
  }
  checkNode();
}

function installed() {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === lockDigest();
}

function lockDigest() {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
}

/** `npm start` and `npm test` may begin together on a fresh clone; each `npm ci` would pull the floor from under the other. */
function takeLock() {
  mkdirSync(join(root, '.berth'), { recursive: true, mode: 0o711 });
  const file = join(root, '.berth', 'install.lock');
  for (let waited = 0; waited < 600_000; waited += 200) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      return file;
    } catch (fault) {
      if (fault.code !== 'EEXIST') throw fault;
    }
    if (waited === 0) say('Another start is installing the dependencies; waiting for it.');
    if (!alive(file)) rmSync(file, { force: true });
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  }
  throw new Stop(`Another process has been installing for ten minutes. If none is, remove ${file}.`);
}

function alive(file) {
  try {
    process.kill(Number(readFileSync(file, 'utf8')), 0);
    return true;
  } catch (fault) {
    return fault.code === 'EPERM';
  }
}

function install() {
  say(
    existsSync(modules)
      ? 'The dependencies changed; installing them again.'
      : 'Installing the dependencies (once).',
  );
  const npm = process.env.npm_execpath ?? '';
  // The Node that runs npm, not ours: `npm ci` removes ours before it brings it back.
  const node = process.env.npm_node_execpath ?? process.execPath;
  const [program, first] = /npm-cli\.c?js$/.test(npm) ? [node, [npm]] : ['npm', []];
  const done = spawnSync(program, [...first, 'ci', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (done.error) throw new Stop(`npm can't be run (${done.error.message}). Install npm, then start again.`);
  if (done.status !== 0) {
    throw new Stop(
      'Installing the dependencies failed; npm says why above. The network and its proxy settings are the usual cause.',
    );
  }
  // A machine that can't run the brought Node (another C library) falls back to its own, if that one will do.
  if (existsSync(ownNode) && versionOf(ownNode) === undefined) rmSync(ownNode);
  mkdirSync(modules, { recursive: true });
  writeFileSync(stamp, lockDigest());
}

/**
 * The scripts of package.json go on with `hash -r && node …`: npm's PATH finds the project's own Node first, also when it
 * came just now, but the shell would remember where it found the one that ran this.
 */
function checkNode() {
  if (suffices(process.version) || suffices(versionOf(ownNode))) return;
  const wanted = leastNode.join('.');
  throw new Stop(
    `Berth runs on Node ${wanted} or newer, and this is ${process.version}. It brings its own with the optional package ` +
      `node-${process.platform}-${process.arch}, which is missing or doesn't run here. Install Node ${wanted} or newer ` +
      'and put it on the PATH, or run "npm ci --include=optional" where that package exists.',
  );
}

function versionOf(node) {
  try {
    return execFileSync(node, ['--version'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return undefined;
  }
}

function suffices(version) {
  const [major, minor] = (version ?? 'v0.0').slice(1).split('.').map(Number);
  return major > leastNode[0] || (major === leastNode[0] && minor >= leastNode[1]);
}

function say(line) {
  process.stderr.write(`${line}\n`);
}
