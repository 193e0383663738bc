// git over HTTP with a real git client: the token as password, the rights it gives, and the way of a push to its build.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEnvironment } from '../../src/control/environments.ts';
import { acceptPushes } from '../../src/http/pushes.ts';
import { findOpenBuild } from '../../src/postgres/builds.ts';
import { change } from '../../src/postgres/change.ts';
import { listEnvironmentsById } from '../../src/postgres/environments.ts';
import { moveJob } from '../../src/postgres/jobs.ts';
import { listServicesOf } from '../../src/postgres/services.ts';
import { eventually, git, startGit } from '../build/pusher.ts';
import { type Edge, openEdge, recording, serveWorld } from './edge.ts';

let edge: Edge;
let pushes: { close(): Promise<void> };
let serviceId: string;
let tree: string;
/** Address of the service's repository with this password. */
let address: (password?: string, url?: string) => string;

beforeAll(async () => {
  edge = await openEdge();
  pushes = await acceptPushes(
    edge.control,
    edge.repositories,
    join(edge.directory, 'push.sock'),
    recording(edge.logged),
  );
  const { ids } = await createEnvironment(edge.control, edge.token.caller, {
    name: 'Shop',
    kind: 'SANDBOX',
    services: [
      { type: 'CODE', label: 'app' },
      { type: 'CACHE', label: 'cache', runtime: 'REDIS' },
    ],
  });
  const [environment] = await listEnvironmentsById(edge.control.store.db, [ids.environmentId]);
  const services = await listServicesOf(edge.control.store.db, ids.environmentId);
  serviceId = services.find(({ label }) => label === 'app')?.id ?? '';
  address = (password, url = edge.server.url) =>
    `${password === undefined ? url : url.replace('//', `//any:${password}@`)}/git/${environment?.namespace}/app.git`;
  tree = join(edge.directory, 'tree');
  await git('/', 'init', '--quiet', '--initial-branch=main', tree);
  await git(tree, 'commit', '--quiet', '--allow-empty', '-m', 'First of all');
});
afterAll(async () => {
  await pushes?.close();
  await edge?.close();
});

const info = (url: string, authorization?: string) =>
  fetch(`${url}/info/refs?service=git-upload-pack`, {
    headers: authorization === undefined ? {} : { authorization },
  });

describe('who may come in', () => {
  test('without a token, or with a wrong one, git is asked for a password', async () => {
    const wrong = `Basic ${Buffer.from('any:berth_x').toString('base64')}`;
    for (const authorization of [undefined, wrong, `Bearer ${edge.token.secret}`]) {
      const response = await info(address(), authorization);
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toContain('Basic realm="Berth"');
    }
  });

  test('what does not exist, and what has no repository, is not found, and that only with a token', async () => {
    const right = `Basic ${Buffer.from(`any:${edge.token.secret}`).toString('base64')}`;
    for (const label of ['cache', 'none']) {
      const url = address().replace('/app.git', `/${label}.git`);
      expect((await info(url, right)).status).toBe(404);
      expect((await info(url)).status).toBe(401);
    }
    expect((await fetch(`${address()}/HEAD`, { headers: { authorization: right } })).status).toBe(404);
  });

  test('a token that reads may fetch, and its push is refused with what is missing', async () => {
    const { secret } = await edge.addToken({ scopes: ['read'] });
    expect(await git(tree, 'ls-remote', address(secret))).toBe('');
    const { code, output } = await startGit(tree, 'push', address(secret), 'main').done;
    expect(code).not.toBe(0);
    expect(output).toMatch(/403|deploy/);
  });

  test("a token of another environment doesn't see it", async () => {
    const { secret } = await edge.addToken({ environmentId: await edge.addEnvironment('Other') });
    const { code, output } = await startGit(tree, 'ls-remote', address(secret)).done;
    expect(code).not.toBe(0);
    expect(output).toContain('not found');
  });

  test('wrong passwords count as guesses', async () => {
    const limits = { guesses: 1 };
    const server = await serveWorld(edge, edge.repositories, { logger: recording(), limits });
    try {
      const wrong = `Basic ${Buffer.from('any:guess').toString('base64')}`;
      expect((await info(address(undefined, server.url), wrong)).status).toBe(401);
      const refused = await info(address(undefined, server.url), wrong);
      expect(refused.status).toBe(429);
      expect(refused.headers.get('retry-after')).not.toBeNull();
    } finally {
      await server.close();
    }
  });
});

test('a push becomes one build by whoever pushed, and its pusher is shown the end', async () => {
  const sha = await git(tree, 'rev-parse', 'HEAD');
  const pushing = startGit(tree, 'push', address(edge.token.secret), 'main');
  const { db } = edge.control.store;
  const job = await eventually(() => findOpenBuild(db, serviceId, sha), 'the build is there');
  if (job === undefined) throw new Error('no build');
  expect(job).toMatchObject({ type: 'BUILD', commit: sha, requestedBy: edge.token.caller.tokenName });
  await change(edge.control, async ({ tx, emit, nudge }) => {
    await moveJob(tx, job.id, 'STOPPED', { reason: 'This is a test.', cleaned: true });
    const { environmentId, type } = job;
    const data = { type, target: null, state: 'STOPPED', health: null, exitCode: null } as const;
    emit({ environmentId, serviceId, jobId: job.id, type: 'JOB_CHANGED', data, message: 'Stopped.' });
    nudge(`lines:${job.id}`);
  });
  const { code, output } = await pushing.done;
  expect(output).toContain('Nothing was deployed. This is a test.');
  expect(code).toBe(0);
  expect(await git(tree, 'ls-remote', address(edge.token.secret), 'refs/heads/main')).toContain(sha);
  expect(edge.logged).toEqual([]);
});
