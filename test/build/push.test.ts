// Pushing and fetching with a real git client over real HTTP, with nothing behind the hooks but the push channel.
import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { listenForPushes, type OnPush, type Push } from '../../src/build/push-channel.ts';
import { Conflict } from '../../src/errors.ts';
import { eventually, git, openWorld, startGit, type World, writeAll } from './pusher.ts';

let world: World;
let closers: (() => Promise<void>)[] = [];

beforeEach(async () => {
  world = await openWorld();
});

afterEach(async () => {
  for (const close of closers) await close();
  closers = [];
  await world.dispose();
});

async function listen(
  onPush: OnPush,
  onFault?: (error: unknown) => void,
): Promise<{ close(): Promise<void> }> {
  const channel = await listenForPushes(world.socketPath, onPush, onFault);
  closers.push(() => channel.close());
  return channel;
}

const push = (tree: string, ...refs: string[]) => startGit(tree, 'push', 'origin', ...refs).done;

test('a pushed commit is kept, told of once with its context, and its progress shown', async () => {
  const pushes: Push[] = [];
  await listen(async (told, say) => {
    pushes.push(told);
    await say('Building');
    await say('two\nlines');
  });
  const tree = await world.workingTree({ 'a.txt': 'a' });
  const { code, output } = await push(tree, 'main');
  expect(output).toMatch(/remote: Building\s/);
  expect(output).toMatch(/remote: two\s*\n\s*remote: lines/);
  expect(code).toBe(0);
  const sha = await git(tree, 'rev-parse', 'HEAD');
  expect(pushes).toEqual([
    { repositoryId: world.repositoryId, context: 'context-of-ada', oldSha: '0'.repeat(40), newSha: sha },
  ]);
  expect(await world.repositories.head(world.repositoryId)).toBe(sha);
  expect(await world.repositories.commit(world.repositoryId, sha)).toEqual({
    author: 'Ada Pusher',
    subject: 'First',
  });
});

test('progress reaches the pusher while the push is still running', async () => {
  const shown = Promise.withResolvers<void>();
  await listen(async (_, say) => {
    await say('step one');
    await shown.promise;
    await say('step two');
  });
  const running = startGit(await world.workingTree({}), 'push', 'origin', 'main');
  await eventually(() => running.output().includes('remote: step one'), 'the first line');
  expect(running.child.exitCode).toBe(null);
  expect(running.output()).not.toContain('step two');
  shown.resolve();
  const { code, output } = await running.done;
  expect(code).toBe(0);
  expect(output).toContain('remote: step two');
});

test('every other ref is refused with a sentence, and nothing of that push is kept', async () => {
  const pushes: Push[] = [];
  await listen(async (told) => void pushes.push(told));
  const tree = await world.workingTree({});
  await git(tree, 'branch', 'feature');
  await git(tree, 'tag', 'v1');
  for (const [refs, sentence] of [
    [['feature'], 'remote: Berth builds only the branch main: feature was refused.'],
    [['main', 'feature'], 'remote: Berth builds only the branch main: feature was refused.'],
    [['v1'], 'remote: Berth keeps only the branch main: refs/tags/v1 was refused.'],
  ] as const) {
    const { code, output } = await push(tree, ...refs);
    expect(output).toContain(sentence);
    expect(code).not.toBe(0);
  }
  expect(await world.repositories.head(world.repositoryId)).toBe(undefined);
  expect((await push(tree, 'feature:main')).code).toBe(0);
  const { code, output } = await push(tree, ':main');
  expect(output).toContain('remote: The branch main can not be deleted.');
  expect(code).not.toBe(0);
  expect(pushes.length).toBe(1);
  expect(await world.repositories.head(world.repositoryId)).toBe(await git(tree, 'rev-parse', 'main'));
});

test('an empty commit and a forced push are pushes like any other', async () => {
  const pushes: Push[] = [];
  await listen(async (told) => void pushes.push(told));
  const tree = await world.workingTree({ 'a.txt': 'a' });
  await push(tree, 'main');
  await git(tree, 'commit', '--quiet', '--allow-empty', '-m', 'Again');
  const again = await git(tree, 'rev-parse', 'HEAD');
  expect((await push(tree, 'main')).code).toBe(0);
  await git(tree, 'commit', '--quiet', '--amend', '--allow-empty', '-m', 'Otherwise');
  expect((await push(tree, '--force', 'main')).code).toBe(0);
  expect(pushes.map(({ oldSha }) => oldSha)).toEqual(['0'.repeat(40), pushes[0]?.newSha, again]);
});

test('a large push (chunked and compressed) and a clone of it carry the same bytes', async () => {
  await listen(async () => undefined);
  let noise = '';
  for (let index = 0; noise.length < 3_000_000; index += 1)
    noise += createHash('sha512').update(String(index)).digest('base64');
  const tree = await world.workingTree({ 'noise.txt': noise, 'sub/b.txt': 'b' });
  expect((await push(tree, 'main')).code).toBe(0);
  await git(world.root, 'clone', '--quiet', world.url, 'copy');
  expect(await git(join(world.root, 'copy'), 'rev-parse', 'HEAD^{tree}')).toBe(
    await git(tree, 'rev-parse', 'HEAD^{tree}'),
  );
});

test('only the smart protocol is answered', async () => {
  for (const [path, method] of [
    ['/HEAD', 'GET'],
    ['/config', 'GET'],
    ['/objects/info/packs', 'GET'],
    ['/info/refs', 'GET'],
    ['/info/refs?service=git-upload-archive', 'GET'],
    ['/info/refs?service=git-upload-pack&x=1', 'GET'],
    ['/git-upload-pack', 'GET'],
    ['/info/refs?service=git-upload-pack', 'POST'],
    ['/../../etc/passwd', 'GET'],
  ] as const) {
    const response = await fetch(`${world.url}${path}`, { method });
    expect([path, response.status]).toEqual([path, 404]);
  }
  const info = await fetch(`${world.url}/info/refs?service=git-receive-pack`);
  expect(info.status).toBe(200);
  expect(info.headers.get('content-type')).toBe('application/x-git-receive-pack-advertisement');
  const wrongType = await fetch(`${world.url}/git-upload-pack`, { method: 'POST', body: 'x' });
  expect(wrongType.status).toBe(415);
});

test('a push while Berth is away is kept, and says so', async () => {
  const { code, output } = await push(await world.workingTree({}), 'main');
  expect(output).toContain(
    "remote: Berth isn't answering; the push is kept and will be built when it is back.",
  );
  expect(code).toBe(0);
  expect(await world.repositories.head(world.repositoryId)).toBeDefined();
});

test('Berth going away in the middle of a push is told to the pusher, whose push is kept', async () => {
  const channel = await listen(async (_, say, signal) => {
    await say('Building');
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
  });
  const running = startGit(await world.workingTree({}), 'push', 'origin', 'main');
  await eventually(() => running.output().includes('remote: Building'), 'the first line');
  await channel.close();
  const { code, output } = await running.done;
  expect(output).toContain("Berth isn't answering");
  expect(code).toBe(0);
});

test('a pusher killed in the middle fires the signal, harms nothing and leaves no process', async () => {
  const told = Promise.withResolvers<AbortSignal>();
  const finished = Promise.withResolvers<void>();
  await listen(async (_, say, signal) => {
    told.resolve(signal);
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    for (let line = 0; line < 100; line += 1) await say('to nobody');
    finished.resolve();
  });
  const tree = await world.workingTree({});
  const running = startGit(tree, 'push', 'origin', 'main');
  const signal = await told.promise;
  running.kill();
  await eventually(() => signal.aborted, 'the signal', 20_000);
  await finished.promise;
  await eventually(() => world.served() === 0, 'the end of the request', 20_000);
  expect(await world.repositories.head(world.repositoryId)).toBe(await git(tree, 'rev-parse', 'HEAD'));
}, 45_000);

test('an upload cut off in the middle keeps nothing', async () => {
  const target = new URL(`${world.url}/git-receive-pack`);
  const socket = createConnection(Number(target.port), '127.0.0.1');
  const line = `${'0'.repeat(40)} ${'1'.repeat(40)} refs/heads/main\0 report-status side-band-64k`;
  const command = `${(line.length + 4).toString(16).padStart(4, '0')}${line}0000`;
  socket.write(
    `POST ${target.pathname} HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-git-receive-pack-request\r\ncontent-length: 100000\r\n\r\n${command}PACK`,
  );
  await eventually(() => world.served() === 1, 'the request');
  socket.destroy();
  await eventually(() => world.served() === 0, 'the end of the request', 4_000);
  expect(await world.repositories.head(world.repositoryId)).toBe(undefined);
  const objects = await readdir(join(world.repositories.path(world.repositoryId), 'objects'));
  expect(objects.filter((name) => name.startsWith('tmp_') || name.startsWith('incoming'))).toEqual([]);
});

test('text of a source can not drive the terminal of the pusher', async () => {
  await listen((_, say) => say('\u001b]0;title\u0007\u001b[31mred\u001b[0m\ttab\u009b2J\b\r\u0004'));
  const { output } = await push(await world.workingTree({}), 'main');
  expect(output).toMatch(/remote: red\ttab/);
  expect(output.replaceAll('\u001b[K', '')).not.toMatch(/[^\P{Cc}\t\n\r]/u);
});

test('a refusal is shown as it is, a fault is not shown but reported', async () => {
  const faults: unknown[] = [];
  const errors = [new Conflict('The service is being deleted.'), new Error('secret detail')];
  await listen(
    async () => {
      throw errors.shift();
    },
    (error) => faults.push(error),
  );
  const tree = await world.workingTree({});
  expect((await push(tree, 'main')).output).toContain('remote: The service is being deleted.');
  await git(tree, 'commit', '--quiet', '--allow-empty', '-m', 'Again');
  const { output } = await push(tree, 'main');
  expect(output).toContain('remote: Berth had a fault; the push is kept.');
  expect(output).not.toContain('secret detail');
  expect(faults).toEqual([new Error('secret detail')]);
});

test('the push socket is private, survives a killed predecessor and refuses a second Berth', async () => {
  await listen(async () => undefined);
  expect((await stat(world.socketPath)).mode & 0o777).toBe(0o600);
  expect((await stat(dirname(world.socketPath))).mode & 0o777).toBe(0o700);
  await expect(listenForPushes(world.socketPath, async () => undefined)).rejects.toThrow('already running');
  await expect(listenForPushes(`/tmp/${'x'.repeat(120)}/s`, async () => undefined)).rejects.toThrow(
    'shorter path',
  );
});

test('what is no announcement on the socket is dropped without a word', async () => {
  const pushes: Push[] = [];
  await listen(async (told) => void pushes.push(told));
  for (const message of ['{}\n', 'x\n', `${'x'.repeat(20_000)}`, '{"repositoryId":"../x"}\n']) {
    const socket = createConnection(world.socketPath);
    socket.on('error', () => undefined);
    socket.write(message);
    const said: string[] = [];
    socket.on('data', (chunk) => said.push(String(chunk)));
    await new Promise((resolve) => socket.once('close', resolve));
    expect(said).toEqual([]);
  }
  expect(pushes).toEqual([]);
});

test('hooks run from a data folder with spaces in its name', async () => {
  const odd = await openWorld('my data folder');
  try {
    const tree = await odd.workingTree({});
    await git(tree, 'branch', 'feature');
    expect((await push(tree, 'feature')).output).toContain('only the branch main');
  } finally {
    await odd.dispose();
  }
});

test('making a repository many times at once leaves one, and its default branch is main', async () => {
  const id = '11111111-2222-3333-4444-555555555555';
  await Promise.all(Array.from({ length: 8 }, () => world.repositories.ensure(id)));
  await world.repositories.ensure(id);
  const all = (await readdir(dirname(world.repositories.path(id)))).filter((name) => name.startsWith(id));
  expect(all).toEqual([`${id}.git`]);
  expect(await git(world.repositories.path(id), 'symbolic-ref', 'HEAD')).toBe('refs/heads/main');
  await world.repositories.remove(id);
  await world.repositories.remove(id);
  for (const bad of ['../x', 'x', `${id}/..`, id.toUpperCase().replaceAll('1', 'A')])
    expect(() => world.repositories.path(bad)).toThrow('UUID');
});

test('reading files never leaves the commit', async () => {
  await listen(async () => undefined);
  const tree = await world.workingTree({ 'a.txt': 'ä', 'link.txt': '-> /etc/passwd', 'sub/b.txt': 'b' });
  await writeAll(tree, { '-dash': 'x' });
  await git(tree, 'add', '-A');
  await git(tree, 'commit', '--quiet', '-m', 'More');
  await push(tree, 'main');
  const { repositories, repositoryId } = world;
  const sha = (await repositories.head(repositoryId)) ?? '';
  const read = (path: string, max = 100) => repositories.readFile(repositoryId, sha, path, max);
  expect(await repositories.files(repositoryId, sha)).toEqual(['-dash', 'a.txt', 'link.txt', 'sub']);
  expect(await read('a.txt')).toBe('ä');
  expect(await read('-dash')).toBe('x');
  expect(await read('none')).toBe(undefined);
  await expect(read('a.txt', 1)).rejects.toThrow('a.txt: is larger than 1 bytes');
  await expect(read('link.txt')).rejects.toThrow('must be a plain file');
  await expect(read('sub')).rejects.toThrow('must be a plain file');
});
