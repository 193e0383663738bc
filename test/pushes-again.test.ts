// Commits that are pushed again: what is already there builds nothing, a branch that is forced back to an earlier commit makes
// another release of it, and however often that happens, the kept releases and the one that runs have their images.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { labels } from '../src/runtime/runtime.ts';
import { ask, type ServerProcess, startServer, until } from './support/server.ts';
import { newSource, type Source } from './support/source.ts';

const patience = 90_000;
const engine = new Docker();

let data: string;
let server: ServerProcess;
let source: Source;
let environmentId: string;
let remote: string;

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'berth-again-'));
  await chmod(data, 0o711);
  const settings = { BERTH_HELLO: 'no', BERTH_HEALTHY_SECONDS: '20', BERTH_KEPT_RELEASES: '2' };
  server = await startServer(data, settings, patience);
  const made = await ask<{ createEnvironment: { environment: { id: string } } }>(
    server,
    `mutation { createEnvironment(input: { name: "Again", namespace: "again", kind: SANDBOX,
      services: [{ type: CODE, label: "web" }] }) { ... on CreateEnvironmentPayload { environment { id } } } }`,
  );
  environmentId = made.createEnvironment.environment.id;
  remote = `${server.url.replace('http://', `http://berth:${server.token}@`)}/git/again/web.git`;
  source = await newSource();
}, patience);

afterAll(async () => {
  await ask(
    server,
    `mutation { deleteEnvironment(input: { environmentId: "${environmentId}", confirm: "again" }) { __typename } }`,
  );
  await until('the deletion', patience, async () =>
    (await ask<{ environment: unknown }>(server, '{ environment(namespace: "again") { id } }'))
      .environment === null
      ? true
      : undefined,
  );
  const left = await tagged();
  await server.stop();
  await source.remove();
  await rm(data, { recursive: true, force: true });
  expect(left).toEqual([]);
}, patience);

interface Seen {
  readonly id: string;
  readonly release: { readonly commit: string } | null;
  readonly releases: { readonly nodes: readonly { readonly commit: string }[] };
  readonly builds: { readonly nodes: readonly { readonly commit: string; readonly state: string }[] };
  readonly running: { readonly nodes: readonly { readonly id: string; readonly address: string | null }[] };
}

let serviceId = '';

async function look(): Promise<Seen> {
  const { service } = await ask<{ service: Seen }>(
    server,
    `{ service(namespace: "again", label: "web") { id release { commit } releases(first: 10) { nodes { commit } }
      builds: jobs(first: 20, types: [BUILD]) { nodes { commit state } }
      running: jobs(first: 5, types: [DEPLOY], states: [RUNNING]) { nodes { id address } } } }`,
  );
  serviceId = Buffer.from(service.id, 'base64url').toString().split(':')[1] ?? '';
  return service;
}

/** Commits of the service whose image the engine has. */
async function tagged(): Promise<string[]> {
  const images = await engine.listImages({ filters: { label: [`${labels.service}=${serviceId}`] } });
  return images.flatMap(({ RepoTags }) => (RepoTags ?? []).map((tag) => tag.split(':')[1] ?? '')).sort();
}

async function served(): Promise<string> {
  const [job] = (await look()).running.nodes;
  return (await fetch(`http://${job?.address}:8080`)).text();
}

const good = (text: string) => ({
  Dockerfile:
    'FROM busybox:1\nCOPY index.html /site/index.html\nCMD ["httpd", "-f", "-p", "8080", "-h", "/site"]\n',
  'index.html': text,
});
const bad = { Dockerfile: 'FROM busybox:1\nCOPY index.html /x\nCMD ["false"]\n' };

async function deploy(refs = 'main', end = 'has succeeded'): Promise<void> {
  const pushed = await source.push(remote, refs);
  expect(pushed.said).toContain(`The redeploy of web ${end}`);
}

test('a commit pushed twice is built once; forced back to, it is built, released and deployed again, and its image stays', async () => {
  const first = await source.commit(good('one'));
  await deploy();
  const again = await source.push(remote);
  expect(again).toMatchObject({ accepted: true, said: expect.stringContaining('Everything up-to-date') });
  expect((await look()).builds.nodes.map(({ commit }) => commit)).toEqual([first]);

  const second = await source.commit(good('two'));
  await deploy();
  expect(await served()).toBe('two');

  await deploy(`${first}:main`);
  const back = await look();
  expect(back.builds.nodes.map(({ commit, state }) => [commit, state])).toEqual(
    [first, second, first].map((commit) => [commit, 'FINISHED']),
  );
  expect(back.release?.commit).toBe(first);
  expect(await served()).toBe('one');
  // Two are kept: the older release of this commit went, the image that the newer shares with it didn't.
  await expectKept([first, second]);

  await deploy(`${second}:main`);
  await deploy(`${first}:main`);
  await expectKept([first, second]);
  expect(await served()).toBe('one');
}, 120_000);

test('releases that fail push out neither the image of the one that runs, nor do they stay themselves', async () => {
  const third = await source.commit(good('three'));
  await deploy();
  const failing: string[] = [];
  for (const text of ['four', 'five', 'six']) {
    failing.push(await source.commit({ ...bad, 'index.html': text }));
    await deploy('main', 'has failed; its last good spec runs again');
  }
  const kept = failing.slice(-2);
  await expectKept([...kept, third]);
  const [job] = (await look()).running.nodes;
  const jobId = Buffer.from(job?.id ?? '', 'base64url')
    .toString()
    .split(':')[1];
  await engine.getContainer(`berth-job-${jobId}`).remove({ force: true });
  await until('another job serves the running release', 30_000, async () => {
    const [now] = (await look()).running.nodes;
    if (now === undefined || now.id === job?.id || now.address === null) return undefined;
    return (await served().catch(() => '')) === 'three' ? true : undefined;
  });
  // Forced back to a commit whose release and image are gone: both are made anew.
  await deploy(`${failing[0]}:main`, 'has failed; its last good spec runs again');
  await expectKept([failing[0] ?? '', kept[1] ?? '', third]);
}, 120_000);

/** As releases and as images, whatever the order; pruning follows the end of a build by a moment. */
async function expectKept(commits: readonly string[]): Promise<void> {
  const wanted = JSON.stringify([...commits].sort());
  let last = '';
  await until(`the kept releases are ${wanted}, last seen ${last}`, 10_000, async () => {
    const releases = (await look()).releases.nodes.map(({ commit }) => commit).sort();
    const images = await tagged();
    last = JSON.stringify({ releases, images });
    return JSON.stringify(releases) === wanted && JSON.stringify(images) === wanted ? true : undefined;
  }).catch((error: unknown) => {
    throw new Error(`Wanted ${wanted}, seen ${last}`, { cause: error });
  });
}
