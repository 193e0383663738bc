// What every made image has beside its recipe's own files: busybox as shell and tools, users, host names, certificates'
// place, folders that stay writable when the root is mounted read-only and a tmpfs is put over them.
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from './programs.ts';
import type { Owner } from './recipes/recipe.ts';
import { addFolder, addFromDisk, addLink, addText, type ImageTree, placeInTree } from './tree.ts';

/** Packages that every image is made with, and the ones of them (besides libraries) whose files are used. */
export const basePackages = ['busybox-static', 'libc6', 'libgcc-s1', 'libc-bin'] as const;
export const takenForBase = /^(?:busybox-static|libc-bin)$/;

/** Put over by a tmpfs, a folder keeps its mode but belongs to root: so these are open to every user of the image. */
const openFolders = ['/tmp', '/var/tmp', '/run'];
const anyoneMayWrite = 0o1777;

export async function addBase(
  tree: ImageTree,
  unpacked: string,
  owner: Owner | undefined,
  signal: AbortSignal,
): Promise<void> {
  for (const path of openFolders) addFolder(tree, path, anyoneMayWrite);
  for (const path of ['/proc', '/sys', '/dev', '/etc', '/home', '/var/lib']) addFolder(tree, path);
  addFolder(tree, '/root', 0o700);
  addLink(tree, 'var/run', '/run');
  addAccounts(tree, owner);
  await addBusybox(tree, unpacked, signal);
  await addFromDisk(tree, '/usr/lib/locale/C.utf8', join(unpacked, 'usr/lib/locale/C.utf8'));
}

/** Run after the recipe's files: a tool of busybox never hides a program of the recipe. */
async function addBusybox(tree: ImageTree, unpacked: string, signal: AbortSignal): Promise<void> {
  const program = join(unpacked, 'usr/bin/busybox');
  const facts = await lstat(program);
  if (!facts.isFile()) throw new Error('The package busybox-static brought no program.');
  await addFromDisk(tree, '/usr/bin/busybox', program);
  const applets = await runProgram(program, ['--list-full'], { signal });
  for (const applet of applets.split('\n').filter((line) => line.includes('/'))) {
    if (!tree.has(placeInTree(applet))) addLink(tree, applet, '/usr/bin/busybox');
  }
}

function addAccounts(tree: ImageTree, owner: Owner | undefined): void {
  const users = ['root:x:0:0:root:/root:/bin/sh'];
  const groups = ['root:x:0:'];
  if (owner) {
    users.push(`${owner.name}:x:${owner.uid}:${owner.gid}:${owner.name}:${owner.home}:/bin/sh`);
    groups.push(`${owner.name}:x:${owner.gid}:`);
  }
  users.push('nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin');
  groups.push('nogroup:x:65534:');
  addText(tree, '/etc/passwd', `${users.join('\n')}\n`);
  addText(tree, '/etc/group', `${groups.join('\n')}\n`);
  addText(tree, '/etc/nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files dns\n');
}
