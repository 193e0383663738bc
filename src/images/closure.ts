// The shared libraries a program needs, told by the dynamic loader itself: that of the unpacked packages for their files,
// this machine's for its own node binary. The loader only lists; nothing of the packages is run.
import { type FileHandle, glob, open, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { runProgram } from './programs.ts';
import { addFromDisk, type ImageTree, placeInTree } from './tree.ts';

const triplets: Readonly<Partial<Record<NodeJS.Architecture, string>>> = {
  x64: 'x86_64-linux-gnu',
  arm64: 'aarch64-linux-gnu',
};
const elfMagic = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);

/** Adds what the tree's own programs and plugins need, from the unpacked root they came from. */
export async function addLibraries(tree: ImageTree, unpacked: string, signal: AbortSignal): Promise<void> {
  const folder = join(unpacked, 'usr/lib', triplets[process.arch] ?? '');
  const loader = await findLoader(folder);
  const sources = [...tree.values()].flatMap((entry) => (entry.kind === 'file' ? [entry.source] : []));
  const limit = pLimit(4);
  const found = await Promise.all(
    sources.map((source) =>
      limit(async () => {
        if (!(await isDynamic(source))) return [];
        return listLibraries(loader, ['--inhibit-cache', '--library-path', folder, '--list', source], signal);
      }),
    ),
  );
  await addLoader(tree, loader);
  for (const library of new Set(found.flat())) {
    if (!library.startsWith(unpacked)) {
      throw new Error(`The library ${library} was found on this machine only, not in the packages.`);
    }
    await addAt(tree, library, library.slice(unpacked.length));
  }
}

/** Adds a program of this machine with the libraries it uses here. */
export async function addHostProgram(tree: ImageTree, path: string, program: string): Promise<void> {
  const loader = await findLoader(`/usr/lib/${triplets[process.arch] ?? ''}`, '/lib64', '/lib');
  await addFromDisk(tree, path, program);
  await addLoader(tree, loader);
  for (const library of await listLibraries(loader, ['--list', program])) {
    await addAt(tree, library, library);
  }
}

async function findLoader(...folders: readonly string[]): Promise<string> {
  for (const folder of folders) {
    for await (const path of glob(join(folder, 'ld-linux-*.so.*'))) return path;
  }
  throw new Error(`No dynamic loader for ${process.arch} was found in ${folders.join(', ')}.`);
}

/** Programs name their loader by the fixed path of the platform's ABI. */
async function addLoader(tree: ImageTree, loader: string): Promise<void> {
  const path = process.arch === 'x64' ? '/lib64/ld-linux-x86-64.so.2' : '/lib/ld-linux-aarch64.so.1';
  await addAt(tree, loader, path);
}

/** The file itself under the name it is asked for: links between versions needn't exist in the image. */
async function addAt(tree: ImageTree, source: string, path: string): Promise<void> {
  const place = placeInTree(path);
  tree.delete(place);
  await addFromDisk(tree, place, await realpath(source));
}

async function listLibraries(loader: string, args: string[], signal?: AbortSignal): Promise<string[]> {
  const lines = (await runProgram(loader, args, signal ? { signal } : {})).split('\n');
  const missing = lines.find((line) => line.includes('not found'));
  if (missing) throw new Error(`${args.at(-1)} needs a library that no package brought:${missing}`);
  return lines.flatMap((line) => /=> (\/\S+) \(0x/.exec(line)?.[1] ?? []);
}

/** An ELF file with a dynamic section; scripts, data and static programs have nothing to ask for. */
async function isDynamic(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const header = await readAt(file, 0, 64);
    if (!header.subarray(0, 4).equals(elfMagic)) return false;
    const [offset, size, count] = [
      Number(header.readBigUInt64LE(32)),
      header.readUInt16LE(54),
      header.readUInt16LE(56),
    ];
    const table = await readAt(file, offset, size * count);
    const dynamicSegment = 2;
    for (let at = 0; at + size <= table.length; at += size) {
      if (table.readUInt32LE(at) === dynamicSegment) return true;
    }
    return false;
  } finally {
    await file.close();
  }
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
