// A small image for tests, made in memory without any registry: a static busybox and a link for each of its commands.
// The binary is the machine's own or comes from the Debian package, kept in the system's temporary folder.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, pipeline, type Readable } from 'node:stream';
import { promisify } from 'node:util';
import { pack } from 'tar-stream';

const run = promisify(execFile);
const kept = join(tmpdir(), `berth-busybox-${process.getuid?.() ?? 0}`);

/** The path of a statically linked busybox. */
export async function findBusybox(): Promise<string> {
  for (const path of [join(kept, 'bin/busybox'), '/bin/busybox', '/usr/bin/busybox']) {
    if (await isStatic(path)) return path;
  }
  const folder = await mkdtemp(join(tmpdir(), 'berth-busybox-'));
  try {
    await run('apt-get', ['download', 'busybox-static'], { cwd: folder });
    const file = (await readdir(folder)).find((name) => name.endsWith('.deb'));
    if (file === undefined) throw new Error('apt-get download busybox-static brought no package.');
    await mkdir(join(folder, 'root'));
    await run('dpkg-deb', ['-x', join(folder, file), join(folder, 'root')]);
    // Another test file may have been quicker; either copy is good.
    await rename(join(folder, 'root'), kept).catch(() => undefined);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return join(kept, 'bin/busybox');
}

async function isStatic(path: string): Promise<boolean> {
  const bytes = await readFile(path).catch(() => undefined);
  return (
    bytes !== undefined &&
    !bytes.subarray(0, 4096).includes('/lib64/ld-linux') &&
    !bytes.subarray(0, 4096).includes('/lib/ld-')
  );
}

/** A root file system as a tar stream: `/bin` with busybox and its links, `/tmp`, and `nobody` as a user. */
export async function busyboxTar(): Promise<Readable> {
  const path = await findBusybox();
  const { stdout } = await run(path, ['--list']);
  const tar = pack();
  for (const name of ['bin', 'etc', 'proc', 'sys', 'dev', 'root'])
    tar.entry({ name, type: 'directory', mode: 0o755 });
  tar.entry({ name: 'tmp', type: 'directory', mode: 0o1777 });
  tar.entry({ name: 'etc/passwd' }, 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n');
  tar.entry({ name: 'etc/group' }, 'root:x:0:\nnobody:x:65534:\n');
  tar.entry({ name: 'bin/busybox', mode: 0o755 }, await readFile(path));
  for (const command of stdout.split('\n').filter((name) => name !== '' && name !== 'busybox')) {
    tar.entry({ name: `bin/${command}`, type: 'symlink', linkname: 'busybox' });
  }
  tar.finalize();
  // A pipeline, so that a reader that goes early is no unhandled error of the source.
  return pipeline(tar, new PassThrough(), () => {});
}

/** The changes that make a runnable image of that file system. */
export const busyboxChanges: readonly string[] = ['ENV PATH=/bin', 'CMD ["sh"]'];
