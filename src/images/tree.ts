// The content of an image before it is one: paths with owner and mode, taken from files on disk or from text, and sent as
// a tar stream in a fixed order with fixed times, so that the same content gives the same layer. Nothing is copied on
// the way, and no right is needed on this machine to give a file another owner in the image.
import { createReadStream } from 'node:fs';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';

interface Owned {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}
type Entry =
  | ({ readonly kind: 'folder' } & Owned)
  | ({ readonly kind: 'file'; readonly source: string; readonly size: number } & Owned)
  | ({ readonly kind: 'text'; readonly text: string } & Owned)
  | { readonly kind: 'link'; readonly target: string };

/** Keys are paths without a leading slash. */
export type ImageTree = Map<string, Entry>;

const root = { uid: 0, gid: 0 };
const topLevelLinks = ['bin', 'sbin', 'lib', 'lib64'];
const largeFileBytes = 1024 * 1024;

export function openTree(): ImageTree {
  const tree: ImageTree = new Map();
  for (const name of topLevelLinks) {
    addFolder(tree, `usr/${name}`);
    addLink(tree, name, `usr/${name}`);
  }
  return tree;
}

/** One spelling for each path: `/lib/x` and `/usr/lib/x` are the same place in the image. */
export function placeInTree(path: string): string {
  const plain = posix.normalize(path).replace(/^\/+|\/+$/g, '');
  const top = plain.split('/')[0] ?? '';
  return topLevelLinks.includes(top) && plain !== top ? `usr/${plain}` : plain;
}

export function addFolder(tree: ImageTree, path: string, mode = 0o755, owner = root): void {
  const place = placeInTree(path);
  addParents(tree, place);
  tree.set(place, { kind: 'folder', mode, uid: owner.uid, gid: owner.gid });
}

export function addText(tree: ImageTree, path: string, text: string, mode = 0o644, owner = root): void {
  const place = placeInTree(path);
  addParents(tree, place);
  tree.set(place, { kind: 'text', text, mode, uid: owner.uid, gid: owner.gid });
}

export function addLink(tree: ImageTree, path: string, target: string): void {
  const place = topLevelLinks.includes(path) ? path : placeInTree(path);
  addParents(tree, place);
  tree.set(place, { kind: 'link', target });
}

/** A file, link or whole folder from disk; `leave` is asked with the path in the image. */
export async function addFromDisk(
  tree: ImageTree,
  path: string,
  source: string,
  leave: RegExp | undefined = undefined,
): Promise<void> {
  const place = placeInTree(path);
  if (leave?.test(place)) return;
  const facts = await lstat(source);
  if (facts.isDirectory()) {
    if (!tree.has(place)) addFolder(tree, place);
    for (const name of await readdir(source)) {
      await addFromDisk(tree, `${place}/${name}`, join(source, name), leave);
    }
  } else if (facts.isSymbolicLink()) {
    addLink(tree, place, await readlink(source));
  } else if (facts.isFile()) {
    addParents(tree, place);
    const mode = facts.mode & 0o111 ? 0o755 : 0o644;
    tree.set(place, { kind: 'file', source, size: facts.size, mode, ...root });
  }
}

/** The tree as a tar stream, and the promise of its end: whoever reads the stream watches the promise for a fault. */
export function packTree(tree: ImageTree): { readonly stream: Readable; readonly sent: Promise<void> } {
  const packed = pack();
  const sent = sendAll(tree, packed).catch((fault: unknown) => {
    packed.destroy(fault instanceof Error ? fault : new Error(String(fault)));
    throw fault;
  });
  return { stream: Readable.from(packed, { objectMode: false }), sent };
}

async function sendAll(tree: ImageTree, packed: Pack): Promise<void> {
  for (const [name, entry] of [...tree].sort(([a], [b]) => (a < b ? -1 : 1))) await send(packed, name, entry);
  packed.finalize();
}

async function send(packed: Pack, name: string, entry: Entry): Promise<void> {
  const mtime = new Date(0);
  if (entry.kind === 'link') {
    packed.entry({ name, mtime, type: 'symlink', linkname: entry.target, mode: 0o777, ...root });
    return;
  }
  const header = { name, mtime, mode: entry.mode, uid: entry.uid, gid: entry.gid };
  if (entry.kind === 'folder') {
    packed.entry({ ...header, type: 'directory' });
  } else if (entry.kind === 'text') {
    await sendBytes(packed, header, Buffer.from(entry.text));
  } else if (entry.size <= largeFileBytes) {
    await sendBytes(packed, header, await readFile(entry.source));
  } else {
    await pipeline(createReadStream(entry.source), packed.entry({ ...header, size: entry.size }));
  }
}

function sendBytes(packed: Pack, header: { name: string }, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    packed.entry(header, bytes, (fault) => (fault ? reject(fault) : resolve()));
  });
}

function addParents(tree: ImageTree, place: string): void {
  const parent = posix.dirname(place);
  if (parent !== '.' && !tree.has(parent)) addFolder(tree, parent);
}
