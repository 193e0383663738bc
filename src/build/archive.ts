// A source as a tar stream: what may be in it, and how it becomes the engine's build context. Both walk the same stream
// entry by entry; nothing is ever unpacked to disk.
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { extract, type Header, type Pack, pack } from 'tar-stream';
import { BuildInputInvalid } from './faults.ts';

export const mostFiles = 50_000;
export const mostBytes = 1024 * 1024 * 1024;

/** Path → text of a file of ours beside the source. */
export type Additions = Readonly<Record<string, string>>;

/** Reads it all and throws BuildInputInvalid at the first entry that may not be built. */
export async function checkArchive(tar: Readable): Promise<void> {
  await walk(tar, async () => undefined);
}

/** The same archive with each path below `folder` (none: as it is), and with our additions before it. The stream fails
 * with the typed error when an entry may not be built. */
export function buildContext(tar: Readable, folder: string, additions: Additions): Readable {
  const packed = pack();
  // A plain Node stream, as every consumer of contexts expects.
  const context = Readable.from(packed, { objectMode: false });
  for (const stream of [context, packed]) quiet(stream);
  context.once('close', () => {
    packed.destroy();
    tar.destroy();
  });
  copyEntries(tar, packed, folder, additions).catch((error: Error) => context.destroy(error));
  return context;
}

async function copyEntries(tar: Readable, packed: Pack, folder: string, additions: Additions): Promise<void> {
  // The same time in every build, and always the same order: a rebuild of the same source finds its cached steps.
  const mtime = new Date(0);
  for (const [name, text] of Object.entries(additions)) packed.entry({ name, mode: 0o644, mtime }, text);
  await walk(tar, async (entry) => {
    const name = posix.join(folder, entry.header.name);
    if (name !== './' && name !== '.') await copyEntry(entry, packed, name);
  });
  packed.finalize();
}

async function copyEntry(entry: Entry, packed: Pack, name: string): Promise<void> {
  const { type } = entry.header;
  await new Promise<void>((resolve, reject) => {
    const sink = packed.entry(plainHeader(entry.header, name), (error) =>
      error ? reject(error) : resolve(),
    );
    quiet(sink);
    if (type === 'file') copy(entry, sink).catch(reject);
  });
}

type Entry = AsyncIterable<Uint8Array> & { readonly header: Header };

/** Each entry that may be built, in order, to `take`; what it leaves unread is dropped. */
async function walk(tar: Readable, take: (entry: Entry) => Promise<void>): Promise<void> {
  const entries = extract();
  for (const stream of [tar, entries]) quiet(stream);
  const fed = copy(tar, entries);
  fed.catch((error: Error) => entries.destroy(error));
  const check = entryCheck();
  try {
    for await (const entry of entries) {
      quiet(entry);
      check(entry.header);
      await take(entry as unknown as Entry);
      entry.resume();
    }
    await fed;
  } catch (error) {
    entries.destroy();
    tar.destroy();
    throw error;
  }
}

/** An error reaches whoever waits for the stream's data or end; the same one as an event, which on each of these streams
 * ends the process when nobody listens, says nothing more. */
function quiet(stream: { on(event: 'error', listener: () => void): unknown }): void {
  stream.on('error', () => undefined);
}

/** What tar-stream's own kind of streams and Node's have in common. */
interface Sink {
  write(chunk: Uint8Array): boolean;
  end(data: undefined): unknown;
  on(event: 'drain' | 'close', listener: () => void): unknown;
  off(event: 'drain' | 'close', listener: () => void): unknown;
  readonly destroyed: boolean;
}

async function copy(source: AsyncIterable<Uint8Array>, sink: Sink): Promise<void> {
  for await (const chunk of source) {
    if (sink.destroyed) throw new Error('The stream was closed before its end.');
    if (!sink.write(chunk)) await taken(sink);
  }
  sink.end(undefined);
}

function taken(sink: Sink): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      sink.off('drain', settle);
      sink.off('close', settle);
      resolve();
    };
    sink.on('drain', settle);
    sink.on('close', settle);
  });
}

/** Nothing of the archive's maker is carried over but what a build can see. */
function plainHeader(header: Header, name: string): Partial<Header> & { name: string } {
  const { type, mode, mtime, size, linkname } = header;
  return { name, type, mode, mtime, size, uid: 0, gid: 0, ...(type === 'symlink' ? { linkname } : {}) };
}

/** Judges entries one after the other; throws at the first that breaks a rule. */
function entryCheck(): (header: Header) => void {
  let files = 0;
  let bytes = 0;
  return (header) => {
    const path = header.name.replace(/\/+$/, '');
    const shown = JSON.stringify(path.slice(0, 200));
    if (header.name.startsWith('/') || path.includes('\0') || path.split('/').includes('..'))
      throw new BuildInputInvalid(`The path ${shown} leads out of the source.`);
    if (header.type === 'symlink') checkLink(path, header.linkname ?? '');
    else if (header.type !== 'file' && header.type !== 'directory')
      throw new BuildInputInvalid(`${shown} is neither a file, a folder nor a symbolic link.`);
    files += 1;
    bytes += header.size ?? 0;
    if (files > mostFiles)
      throw new BuildInputInvalid(
        `The source has more than ${mostFiles.toLocaleString('en')} files and folders.`,
      );
    if (bytes > mostBytes) throw new BuildInputInvalid('The source is larger than 1 GiB.');
  };
}

/** `..` is allowed at the start only: after a name it would be taken from where that name leads, if it is a link itself. */
function checkLink(path: string, target: string): void {
  const parts = target.split('/');
  const up = parts.findIndex((part) => part !== '..' && part !== '.' && part !== '');
  const leading = up < 0 ? parts : parts.slice(0, up);
  const climbs = leading.filter((part) => part === '..').length;
  const depth = path.split('/').length - 1;
  const laterClimb = up >= 0 && parts.slice(up).includes('..');
  if (target === '' || target.startsWith('/') || climbs > depth || laterClimb)
    throw new BuildInputInvalid(
      `The link ${JSON.stringify(path.slice(0, 200))} leads out of the source, to ${JSON.stringify(target.slice(0, 200))}.`,
    );
}
