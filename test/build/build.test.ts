// The whole way on a real engine: files are committed, become a context, are built on bases of the catalogue, and the
// image serves its page hardened, as Berth runs its jobs.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Dockerfiles write variables that way
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { prepareContext } from '../../src/build/context.ts';
import { BuildInputInvalid } from '../../src/build/faults.ts';
import { BuildFailed, ImageMissing, labels } from '../../src/runtime/runtime.ts';
import { type Bench, eventually, openBench } from '../images/hardened.ts';
import { newInstallation } from '../support/engine.ts';
import { git, openWorld, type World } from './pusher.ts';

const timeout = 180_000;
const installation = newInstallation();
let world: World;
let bench: Bench;

beforeAll(async () => {
  world = await openWorld();
  bench = await openBench();
}, timeout);

afterAll(async () => {
  await bench.close();
  await installation.removeAll();
  await world.dispose();
}, timeout);

interface Built {
  readonly imageId: string;
  readonly output: string;
}

async function build(files: Readonly<Record<string, string>>, certificateAuthority?: string): Promise<Built> {
  const tree = await world.workingTree(files);
  const { repositories, repositoryId } = world;
  await git(tree, 'push', '--quiet', '--force', repositories.path(repositoryId), 'HEAD:main');
  const sha = await git(tree, 'rev-parse', 'HEAD');
  const baseImage = (reference: string) => bench.image(reference);
  const made = await prepareContext({ repositories, repositoryId, sha, baseImage, certificateAuthority });
  const output: string[] = [];
  const imageId = await bench.runtime.buildImage(
    made.context,
    {
      tag: `${installation.id}/app:${sha}`,
      labels: { [labels.installation]: installation.id },
      memoryBytes: 1024 ** 3,
      cpuMillis: 2000,
      dockerfile: made.dockerfileName,
      buildArgs: {},
    },
    (line) => output.push(line),
    AbortSignal.timeout(timeout),
  );
  return { imageId, output: output.join('\n') };
}

async function serve(imageId: string): Promise<{ name: string; get: (path: string) => Promise<Response> }> {
  const { name, address } = await bench.start({ imageId });
  const get = (path: string) =>
    eventually(() => fetch(`http://${address}:8080${path}`, { signal: AbortSignal.timeout(2000) }));
  return { name, get };
}

const nodeProgram = `
const { existsSync } = require('node:fs');
const greeting = require('greeting');
require('node:http').createServer((request, response) => response.end(JSON.stringify({
  greeting, uid: process.getuid(), ca: existsSync('/tmp/berth-ca.pem'), own: existsSync('/app/.berth'),
  trusted: process.env.NODE_EXTRA_CA_CERTS ?? null, url: request.url,
}))).listen(process.env.PORT);
process.on('SIGTERM', () => process.exit(0));
`;

test('a Node.js source with a dependency is built and served', { timeout }, async () => {
  const files = {
    'package.json': JSON.stringify({
      name: 'app',
      version: '1.0.0',
      scripts: { start: 'node app.js' },
      dependencies: { greeting: 'file:greeting' },
    }),
    'app.js': nodeProgram,
    'greeting/package.json': '{"name":"greeting","version":"1.0.0","main":"index.js"}',
    'greeting/index.js': 'module.exports = "hello from a dependency";',
  };
  const { imageId, output } = await build(files, 'no certificate, but a file as good as one\n');
  expect(output).toContain('npm install');
  const { name, get } = await serve(imageId);
  expect(await (await get('/x')).json()).toEqual({
    ...{ greeting: 'hello from a dependency', uid: 1000, ca: false, own: false, trusted: null, url: '/x' },
  });
  await bench.stop(name);
});

test('a Python source is built and served', { timeout }, async () => {
  const program = `
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"python as {os.getuid()}".encode()
        self.send_response(200); self.end_headers(); self.wfile.write(body)
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
`;
  const { imageId } = await build({ 'app.py': program, 'requirements.txt': '# nothing needed\n' });
  const { name, get } = await serve(imageId);
  expect(await (await get('/')).text()).toBe('python as 1000');
  await bench.stop(name);
});

test('a static site is built and served without its dot files', { timeout }, async () => {
  const { imageId } = await build({
    'index.html': '<h1>home</h1>',
    'about.html': 'about',
    'docs/index.html': 'docs',
    'app.mjs': 'export {}',
    '.env': 'SECRET=1',
    'docs/.hidden/x': 'x',
    '.well-known/security.txt': 'contact',
  });
  const { name, get } = await serve(imageId);
  const seen = async (path: string) => {
    const response = await get(path);
    return [response.status, response.headers.get('content-type'), (await response.text()).slice(0, 20)];
  };
  expect(await seen('/')).toEqual([200, 'text/html; charset=utf-8', '<h1>home</h1>']);
  expect(await seen('/about')).toEqual([200, 'text/html; charset=utf-8', 'about']);
  expect(await seen('/docs/')).toEqual([200, 'text/html; charset=utf-8', 'docs']);
  expect((await seen('/app.mjs'))[1]).toBe('text/javascript; charset=utf-8');
  expect((await seen('/.well-known/security.txt'))[0]).toBe(200);
  for (const path of ['/.env', '/docs/.hidden/x', '/.berth/nginx.conf', '/%2eenv', '/missing'])
    expect([path, (await seen(path))[0]]).toEqual([path, 404]);
  await bench.stop(name);
});

test('a source with its own Dockerfile of several stages is built on pinned bases', { timeout }, async () => {
  const { imageId, output } = await build({
    Dockerfile: [
      '# syntax=docker/dockerfile:1',
      'ARG TAG=1',
      'FROM busybox:${TAG} AS make',
      // The builder keeps the images of earlier stages, unlabelled unless they say so themselves.
      `LABEL ${labels.installation}=${installation.id}`,
      'COPY . /src',
      'RUN mkdir /site && cat /src/a.txt /src/b.txt >/site/index.html',
      'FROM busybox:1',
      'COPY --from=make /site /site',
      'COPY --from=busybox:1 /bin/sh /other-sh',
      'USER 1000',
      'CMD ["httpd", "-f", "-p", "8080", "-h", "/site"]',
    ].join('\n'),
    'a.txt': 'one ',
    'b.txt': 'two',
  });
  expect(output).toMatch(/FROM sha256:[0-9a-f]{64} AS make/);
  const { name, get } = await serve(imageId);
  expect(await (await get('/')).text()).toBe('one two');
  await bench.stop(name);
});

test('a Procfile alone is built, and web is what its image runs', { timeout }, async () => {
  const { imageId } = await build({
    Procfile: 'web: exec httpd -f -p "$PORT" -h ./public\nother: sleep 1\n',
    'public/index.html': 'by Procfile',
  });
  const { name, get } = await serve(imageId);
  expect(await (await get('/')).text()).toBe('by Procfile');
  await bench.stop(name);
});

test("a build step that fails is the build's own fault, and its output is there", { timeout }, async () => {
  const failing = build({ Dockerfile: 'FROM busybox:1\nRUN echo before && exit 7\n' });
  await expect(failing).rejects.toBeInstanceOf(BuildFailed);
  await expect(failing).rejects.toThrow(/returned a non-zero code: 7/);
});

test("no pushed Dockerfile reaches another's image of the engine", { timeout }, async () => {
  const secret = await build({ Dockerfile: 'FROM busybox:1\nCOPY secret /secret\n', secret: 'private' });
  const engine = new Docker();
  const release = `berth-release/${installation.id}`;
  await engine.getImage(secret.imageId).tag({ repo: release, tag: 'x' });
  await engine.getImage(secret.imageId).tag({ repo: `${installation.id}-private`, tag: '1' });
  const id = secret.imageId.replace('sha256:', '');
  const ways: [reference: string, words: string][] = [
    [id.slice(0, 12), 'looks like the beginning'],
    [id.slice(0, 4), 'looks like the beginning'],
    [id, "is an image's id"],
    [secret.imageId, "is an image's id"],
    [`${release}:x`, "is Berth's own"],
    [`docker.io/${release}:x`, "is Berth's own"],
    [`${installation.id}-private:1`, 'can only come from its registry'],
  ];
  for (const [reference, words] of ways) {
    for (const dockerfile of [
      `FROM ${reference}\nRUN cat /secret\n`,
      `FROM busybox:1\nCOPY --from=${reference} /secret /got\n`,
      `FROM busybox:1\nRUN --mount=from=${reference},target=/x cat /x/secret\n`,
    ]) {
      const refused = build({ Dockerfile: dockerfile });
      await expect(refused, dockerfile).rejects.toThrow(ImageMissing);
      await expect(refused, dockerfile).rejects.toThrow(words);
    }
  }
  // What the builder takes for a use of the image and the parser doesn't.
  for (const lines of [
    `COPY --"from"=${id} /secret /got`,
    `COPY --fr\\om=${id} /secret /got`,
    `COPY --chown=1\v--from=${id} /secret /got`,
    `RUN <<CMD\nCOPY --from=${id} /secret /got\nCMD`,
    `ONBUILD COPY --from=${id} /secret /got\nFROM s`,
  ]) {
    const refused = build({ Dockerfile: `FROM busybox:1 AS s\n${lines}\n` });
    await expect(refused, lines).rejects.toThrow(BuildInputInvalid);
  }
});
