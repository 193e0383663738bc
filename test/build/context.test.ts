// Build contexts made of real git repositories, hostile ones included, and of tar streams that git itself wouldn't make.
import { execFileSync } from 'node:child_process';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { extract, type Header, pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildContext, checkArchive } from '../../src/build/archive.ts';
import { type BuildContext, prepareContext } from '../../src/build/context.ts';
import { BuildInputInvalid, SourceNotRecognised } from '../../src/build/faults.ts';
import { git, openWorld, type World } from './pusher.ts';

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.dispose());

const imageId = `sha256:${'a'.repeat(64)}`;

/** Puts the tree's HEAD into the repository without a push, as nothing but the content matters here. */
async function keep(tree: string): Promise<string> {
  await git(tree, 'push', '--quiet', '--force', world.repositories.path(world.repositoryId), 'HEAD:main');
  return git(tree, 'rev-parse', 'HEAD');
}

async function prepare(sha: string, more: { certificateAuthority?: string } = {}): Promise<BuildContext> {
  const { repositories, repositoryId } = world;
  return prepareContext({ repositories, repositoryId, sha, baseImage: async () => imageId, ...more });
}

async function prepareFiles(files: Readonly<Record<string, string>>, more = {}): Promise<BuildContext> {
  return prepare(await keep(await world.workingTree(files)), more);
}

interface Unpacked {
  readonly header: Header;
  readonly text: string;
}

async function unpack(tar: Readable): Promise<Map<string, Unpacked>> {
  const entries = extract();
  Readable.from([await buffer(tar)])
    .on('data', (chunk) => entries.write(chunk))
    .on('end', () => entries.end(undefined));
  const found = new Map<string, Unpacked>();
  for await (const entry of entries) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    found.set(entry.header.name, { header: entry.header, text: Buffer.concat(chunks).toString('utf8') });
  }
  return found;
}

describe('a context', () => {
  test('with its own Dockerfile is the source as it is, and the pinned Dockerfile beside it', async () => {
    const files = {
      Dockerfile: 'FROM node:24\nCOPY . .\n',
      Procfile: 'web: a\nworker: b\n',
      'a/b/c.txt': 'ä',
      'empty.txt': '',
      'big.txt': 'x'.repeat(700_000),
      [`deep/${'d'.repeat(120)}/${'e'.repeat(120)}.txt`]: 'long name',
      'link.txt': '-> a/b/c.txt',
      '.gitattributes': 'a export-ignore\n*.txt export-subst\n',
      'subst.txt': '$Format:%H$',
    };
    const made = await prepareFiles(files);
    expect(made.language).toBe('Dockerfile');
    expect(made.dockerfileName).toBe('.berth/Dockerfile');
    expect([...(made.procfile ?? [])]).toEqual([
      ['web', 'a'],
      ['worker', 'b'],
    ]);
    const found = await unpack(made.context);
    expect(found.get('.berth/Dockerfile')?.text).toBe(`FROM ${imageId}\nCOPY . .\n`);
    expect(made.dockerfile).toBe(`FROM ${imageId}\nCOPY . .\n`);
    expect(found.get('link.txt')?.header).toMatchObject({ type: 'symlink', linkname: 'a/b/c.txt' });
    for (const [name, text] of Object.entries(files))
      if (name !== 'link.txt') expect([name, found.get(name)?.text === text]).toEqual([name, true]);
    expect(found.get('a/b/c.txt')?.header).toMatchObject({ uid: 0, gid: 0, mode: 0o644 });
  });

  test('never lets a file of the source stand in for ours', async () => {
    for (const own of [{ '.berth/Dockerfile': 'FROM evil' }, { '.berth': '-> a' }]) {
      const made = await prepareFiles({ Dockerfile: 'FROM node:24', a: '', ...own });
      expect(made.dockerfileName).toBe('.berth-1/Dockerfile');
      expect((await unpack(made.context)).get('.berth-1/Dockerfile')?.text).toBe(`FROM ${imageId}`);
    }
    const generated = await prepareFiles({ 'index.html': '', '.berth/Dockerfile': 'FROM evil' });
    const found = await unpack(generated.context);
    expect(generated.dockerfileName).toBe('.berth/Dockerfile');
    expect(found.get('.berth/Dockerfile')?.text).toContain(`FROM ${imageId}`);
    expect(found.get('source/.berth/Dockerfile')?.text).toBe('FROM evil');
  });

  test('of a recognised language keeps the source in a folder of its own, with what the build needs beside', async () => {
    const pem = '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n';
    const made = await prepareFiles({ 'index.html': 'hello' }, { certificateAuthority: pem });
    expect([made.language, made.procfile]).toEqual(['static site', undefined]);
    const names = [...(await unpack(made.context)).keys()].filter((name) => !name.endsWith('/'));
    expect(names.sort()).toEqual([
      '.berth/Dockerfile',
      '.berth/ca.pem',
      '.berth/nginx.conf',
      'source/index.html',
    ]);
  });

  test('asks once for each base and passes on what the asking says', async () => {
    const sha = await keep(
      await world.workingTree({ Dockerfile: 'FROM a:1 AS x\nFROM b:2\nCOPY --from=a:1 /x /\nFROM x' }),
    );
    const asked: string[] = [];
    const { repositories, repositoryId } = world;
    const baseImage = async (reference: string) => {
      asked.push(reference);
      return imageId;
    };
    const made = await prepareContext({ repositories, repositoryId, sha, baseImage });
    made.context.destroy();
    expect(asked).toEqual(['a:1', 'b:2']);
    const refusing = async () => Promise.reject(new Error('no such image'));
    await expect(prepareContext({ repositories, repositoryId, sha, baseImage: refusing })).rejects.toThrow(
      'no such image',
    );
  });

  test('that is given up leaves nothing running', async () => {
    const made = await prepareFiles({ Dockerfile: 'FROM a', 'big.txt': 'x'.repeat(5_000_000) });
    await new Promise((resolve) => made.context.once('readable', resolve));
    const closed = new Promise((resolve) => made.context.once('close', resolve));
    made.context.destroy();
    await closed;
  });
});

describe('a source is refused with a sentence', () => {
  const dockerfile = { Dockerfile: 'FROM a' };
  test.each<[what: string, files: Record<string, string>, words: string]>([
    [
      'a link to /etc',
      { ...dockerfile, evil: '-> /etc' },
      'The link "evil" leads out of the source, to "/etc".',
    ],
    [
      'a link above the root',
      { ...dockerfile, 'a/evil': '-> ../../etc/passwd' },
      'The link "a/evil" leads out',
    ],
    [
      'a link out by way of another',
      { ...dockerfile, 'a/up': '-> ..', evil: '-> a/up/../x' },
      '"evil" leads out',
    ],
    [
      'a Dockerfile that is a link',
      { Dockerfile: '-> other', other: 'FROM a' },
      'Dockerfile: must be a plain file',
    ],
    [
      'a Dockerfile with a fault',
      { Dockerfile: 'FROM a\nNOPE x' },
      'Dockerfile, line 2: There is no instruction NOPE',
    ],
    ['a Procfile with a fault', { ...dockerfile, Procfile: 'web: a\nb' }, 'Procfile, line 2:'],
    [
      'a Procfile that is too large',
      { ...dockerfile, Procfile: `web: ${'a'.repeat(70_000)}` },
      'Procfile: is larger than',
    ],
  ])('%s', async (_, files, words) => {
    const refused = prepareFiles(files);
    await expect(refused).rejects.toThrow(BuildInputInvalid);
    await expect(refused).rejects.toThrow(words);
  });

  test('links within the source are none of these', async () => {
    const made = await prepareFiles({
      ...dockerfile,
      'a/b': '-> ../c',
      c: '',
      'a/up': '-> ..',
      here: '-> ./a/b',
    });
    expect((await unpack(made.context)).get('a/up')?.header.linkname).toBe('..');
  });

  test('a submodule', async () => {
    const tree = await world.workingTree(dockerfile);
    await git(tree, 'update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},vendor/lib`);
    await git(tree, 'commit', '--quiet', '-m', 'Submodule');
    await expect(prepare(await keep(tree))).rejects.toThrow('has a git submodule at "vendor/lib"');
  });

  test('more than 50,000 files', async () => {
    const tree = await world.workingTree(dockerfile);
    const blob = await git(tree, 'hash-object', '-w', 'Dockerfile');
    // A tree of 224 folders that are all the same one of 224 files: 50,176 files in three objects.
    const inner = treeOf(
      tree,
      Array.from({ length: 224 }, (_, index) => `100644 blob ${blob}\tf${index}`),
    );
    const outer = treeOf(
      tree,
      Array.from({ length: 224 }, (_, index) => `040000 tree ${inner}\td${index}`),
    );
    const sha = await git(tree, 'commit-tree', '-m', 'Many', outer);
    await git(tree, 'reset', '--quiet', '--soft', sha);
    await expect(prepare(await keep(tree))).rejects.toThrow('more than 50,000 files');
  }, 30_000);

  test('nothing that is recognised', async () => {
    await expect(prepareFiles({ 'README.md': '' })).rejects.toThrow(SourceNotRecognised);
    await expect(prepareFiles({})).rejects.toThrow(SourceNotRecognised);
  });
});

function treeOf(tree: string, entries: readonly string[]): string {
  return execFileSync('git', ['mktree'], {
    cwd: tree,
    input: `${entries.join('\n')}\n`,
    encoding: 'utf8',
  }).trim();
}

describe('an archive that git would not make is refused', () => {
  const archive = (...headers: (Partial<Header> & { name: string })[]) => {
    const packed = pack();
    for (const header of headers) packed.entry(header, '');
    packed.finalize();
    return Readable.from(packed, { objectMode: false });
  };

  test.each<[what: string, header: Partial<Header> & { name: string }]>([
    ['a path above', { name: '../x' }],
    ['a path above in the middle', { name: 'a/../../x' }],
    ['an absolute path', { name: '/etc/x' }],
    ['a hard link', { name: 'x', type: 'link', linkname: '/etc/passwd' }],
    ['a device', { name: 'x', type: 'character-device', devmajor: 1, devminor: 3 }],
    ['a block device', { name: 'x', type: 'block-device', devmajor: 8, devminor: 0 }],
    ['a pipe', { name: 'x', type: 'fifo' }],
  ])('%s', async (_, header) => {
    await expect(checkArchive(archive({ name: 'fine' }, header))).rejects.toThrow(BuildInputInvalid);
    const context = buildContext(archive({ name: 'fine' }, header), '', {});
    await expect(buffer(context)).rejects.toThrow(BuildInputInvalid);
  });

  test('one that is larger than 1 GiB, before it is read', async () => {
    const packed = pack();
    const huge = packed.entry({ name: 'huge', size: 1024 ** 3 + 1 });
    huge.on('error', () => undefined);
    huge.write(Buffer.alloc(1024));
    const tar = Readable.from(packed, { objectMode: false });
    await expect(checkArchive(tar)).rejects.toThrow('larger than 1 GiB');
    packed.destroy();
  });

  test('one that is cut off or fails in the middle', async () => {
    const whole = await buffer(buildContext(archive({ name: 'a' }), '', { b: 'x'.repeat(5000) }));
    await expect(checkArchive(Readable.from([whole.subarray(0, 2000)]))).rejects.toThrow();
    const failing = new Readable({
      read() {
        this.push(whole.subarray(0, 2000));
        this.destroy(new Error('git died'));
      },
    });
    await expect(buffer(buildContext(failing, '', {}))).rejects.toThrow();
  });
});
