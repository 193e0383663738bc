// The order of the ways to an image and what is said of them, with a stand-in for the engine's three image functions. The
// recipes themselves are real, their outcome is only counted.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { type ImageStore, openImages } from '../../src/images/obtain.ts';
import { ImageMissing } from '../../src/runtime/runtime.ts';
import { cacheDirectory } from './hardened.ts';

interface Fake extends ImageStore {
  readonly calls: string[];
  readonly present: Map<string, string>;
}

const soon = (): AbortSignal => AbortSignal.timeout(60_000);
const silent = (): void => {};
const emptyFolders: string[] = [];
afterAll(async () => {
  for (const folder of emptyFolders) await rm(folder, { recursive: true });
});

function fake(pull: string | Error): Fake {
  const calls: string[] = [];
  const present = new Map<string, string>();
  return {
    calls,
    present,
    findImage: async (reference) => present.get(reference),
    pullImage: async (reference) => {
      calls.push(`pull ${reference}`);
      if (pull instanceof Error) throw pull;
      return pull;
    },
    importImage: async (tag, tar) => {
      calls.push(`import ${tag}`);
      let bytes = 0;
      for await (const chunk of tar) bytes += Buffer.byteLength(chunk as Buffer);
      expect(bytes).toBeGreaterThan(1_000_000);
      present.set(tag, 'sha256:made');
      return 'sha256:made';
    },
  };
}

const unreachable = (): Error =>
  new ImageMissing(
    'x',
    'The registry was asked and did not give it: dial tcp: lookup registry: no such host',
  );

test('what is on the engine is taken without asking anybody', async () => {
  const engine = fake(unreachable());
  engine.present.set('docker.io/library/postgres:15', 'sha256:here');
  const images = openImages(engine, { cacheDirectory });
  expect(await images.obtain('postgres:15', silent, soon())).toEqual({
    imageId: 'sha256:here',
    origin: 'PRESENT',
  });
  expect(engine.calls).toEqual([]);
});

test.each([
  ['132e', 'looks like the beginning'],
  ['c0ffee123456', 'looks like the beginning'],
  ['a'.repeat(64), "is an image's id"],
  [`sha256:${'a'.repeat(64)}`, "is an image's id"],
  ['sha256:132e', 'looks like the beginning'],
  ['berth-release/01a208e2:5813de16', "is Berth's own"],
  ['docker.io/berth-release/01a208e2:5813de16', "is Berth's own"],
  ['index.docker.io/berth/redis:7', "is Berth's own"],
  ['registry.internal:5000/team/app:1', "isn't one that images are taken from"],
  ['localhost:5000/app', "isn't one that images are taken from"],
  ['169.254.169.254/latest/meta-data', "isn't one that images are taken from"],
  ['Node:24', "doesn't name an image"],
  ['node:24@sha256:abc', "doesn't name an image"],
  ['node:', "doesn't name an image"],
  ['../node', "doesn't name an image"],
])('%s is refused with a sentence, and neither engine nor registry is asked for it', async (given, words) => {
  const engine: Fake = { ...fake('sha256:pulled'), findImage: () => expect.unreachable() };
  const refused = openImages(engine, { cacheDirectory }).obtain(given, silent, soon());
  await expect(refused).rejects.toThrow(ImageMissing);
  await expect(refused).rejects.toThrow(words);
  expect(engine.calls).toEqual([]);
});

test("a private image of the engine is never used for its name, in whatever way it's written", async () => {
  const engine = fake(unreachable());
  for (const given of ['host-app:1', 'somebody/secret', 'quay.io/team/app:1']) {
    for (const name of [given, `docker.io/library/${given}`, `docker.io/${given}:latest`])
      engine.present.set(name, 'sha256:private');
    const refused = openImages(engine, { cacheDirectory }).obtain(given, silent, soon());
    await expect(refused).rejects.toThrow(ImageMissing);
    await expect(refused).rejects.toThrow(`The image ${given} can only come from its registry`);
  }
});

test('what a registry gave to anybody is not asked for again, unless the name has moved', async () => {
  const engine = fake('sha256:given');
  const images = openImages(engine, { cacheDirectory });
  const name = 'docker.io/somebody/tool:1';
  expect((await images.obtain('somebody/tool:1', silent, soon())).origin).toBe('PULLED');
  engine.present.set(name, 'sha256:given');
  expect((await images.obtain('somebody/tool:1', silent, soon())).origin).toBe('PRESENT');
  engine.present.set(name, 'sha256:private');
  expect(await images.obtain('somebody/tool:1', silent, soon())).toEqual({
    imageId: 'sha256:given',
    origin: 'PULLED',
  });
  expect(engine.calls).toEqual([`pull ${name}`, `pull ${name}`]);
});

test('what is not on the engine comes from the registry when it gives it', async () => {
  const engine = fake('sha256:pulled');
  const images = openImages(engine, { cacheDirectory });
  expect(await images.obtain('busybox:1', silent, soon())).toEqual({
    imageId: 'sha256:pulled',
    origin: 'PULLED',
  });
  expect(engine.calls).toEqual(['pull docker.io/library/busybox:1']);
});

test("Berth's own program is made without asking a registry, for none has it, and is no official image", async () => {
  const engine = fake('sha256:of-a-stranger');
  const images = openImages(engine, { cacheDirectory });
  const heard: string[] = [];
  const made = await images.obtain('berth/monitoring', ({ text }) => heard.push(text), soon());
  expect(made).toEqual({ imageId: 'sha256:made', origin: 'RECIPE' });
  expect(heard[0]).toBe("No registry has it; making monitoring from Berth's own sources");
  expect((await images.obtain('berth/monitoring', silent, soon())).origin).toBe('PRESENT');
  expect(engine.calls).toEqual([expect.stringMatching(/^import berth\/monitoring:latest-\w{10}$/)]);
  expect((await images.obtain('monitoring', silent, soon())).imageId).toBe('sha256:of-a-stranger');
});

test('where no registry can be reached the recipe makes it, says so, and is found by the next asker', async () => {
  const engine = fake(unreachable());
  const images = openImages(engine, { cacheDirectory });
  const heard: string[] = [];
  const made = await images.obtain('docker.io/library/busybox:1', ({ text }) => heard.push(text), soon());
  expect(made).toEqual({ imageId: 'sha256:made', origin: 'RECIPE' });
  expect(heard).toContain('No registry could be reached; making busybox 1 from Debian packages');
  const again = await images.obtain('busybox:1-alpine', silent, soon());
  expect(again).toEqual({ imageId: 'sha256:made', origin: 'PRESENT' });
  expect(engine.calls).toEqual([
    'pull docker.io/library/busybox:1',
    expect.stringMatching(/^import berth\/busybox:1-\w{10}$/),
  ]);
});

test('many who ask at the same time, by different names, share one making and all hear of it', async () => {
  const engine = fake(unreachable());
  const images = openImages(engine, { cacheDirectory });
  const heard: string[][] = [];
  const names = [
    'busybox:1',
    'docker.io/library/busybox:1',
    'busybox:1-alpine',
    'busybox:1',
    'busybox:1-slim',
  ];
  const all = await Promise.all(
    names.map((name, index) => {
      const lines: string[] = [];
      heard[index] = lines;
      return images.obtain(name, ({ text }) => lines.push(text), soon());
    }),
  );
  expect(new Set(all.map((each) => each.imageId)).size).toBe(1);
  expect(engine.calls.filter((call) => call.startsWith('import'))).toHaveLength(1);
  for (const lines of heard) expect(lines.join('\n')).toMatch(/unpacking \d+ Debian packages/);
});

test('one who gives up leaves at once and the others still get the image', async () => {
  const engine = fake(unreachable());
  const images = openImages(engine, { cacheDirectory });
  const impatient = new AbortController();
  const left = images.obtain('busybox:1', silent, impatient.signal);
  const stays = images.obtain('busybox:1', silent, soon());
  impatient.abort(new Error('enough'));
  await expect(left).rejects.toThrow('enough');
  expect((await stays).origin).toBe('RECIPE');
});

test('a registry that could not be reached is not waited for again soon', async () => {
  const engine = fake(unreachable());
  const images = openImages(engine, { cacheDirectory });
  await expect(images.obtain('mongo:8', silent, soon())).rejects.toThrow(ImageMissing);
  await expect(images.obtain('mongo:7', silent, soon())).rejects.toThrow(ImageMissing);
  expect(engine.calls).toEqual(['pull docker.io/library/mongo:8']);
});

test('a registry that answered is asked again for the next image', async () => {
  const engine = fake(
    new ImageMissing('x', 'did not give it: manifest for mongo:8 not found: manifest unknown'),
  );
  const images = openImages(engine, { cacheDirectory });
  await expect(images.obtain('mongo:8', silent, soon())).rejects.toThrow(/docker\.io does not give it/);
  await expect(images.obtain('mongo:7', silent, soon())).rejects.toThrow(ImageMissing);
  expect(engine.calls).toEqual(['pull docker.io/library/mongo:8', 'pull docker.io/library/mongo:7']);
});

test('without registry and recipe the refusal names what was tried and what to do', async () => {
  const images = openImages(fake(unreachable()), { cacheDirectory });
  await expect(images.obtain('mongo:8', silent, soon())).rejects.toThrow(
    'The image mongo:8 is not on the engine. No registry could be reached, and there is no local recipe for it. ' +
      'Load it on the engine with `docker load`, or configure a registry that the engine can reach.',
  );
});

test('a version the recipe does not have is refused with the one that could be had', async () => {
  const images = openImages(fake(unreachable()), { cacheDirectory });
  const refused = images.obtain('postgres:99', silent, soon());
  await expect(refused).rejects.toThrow(ImageMissing);
  await expect(refused).rejects.toThrow(/can make postgres \d+\.\d+ only\. Ask for that version\./);
  await expect(images.obtain('node:18', silent, soon())).rejects.toThrow(
    `can make node ${process.versions.node} only`,
  );
});

test('a machine without apt gets a clear refusal', async () => {
  const path = process.env.PATH;
  const empty = await mkdtemp(join(tmpdir(), 'berth-no-apt-'));
  emptyFolders.push(empty);
  const images = openImages(fake(unreachable()), { cacheDirectory: join(empty, 'cache') });
  try {
    process.env.PATH = empty;
    await expect(images.obtain('redis:7', silent, soon())).rejects.toThrow(
      /the local recipe needs Debian's apt-get, which this machine doesn't have\. Load it/,
    );
  } finally {
    process.env.PATH = path;
  }
});
