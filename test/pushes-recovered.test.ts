// A push of which Berth is not told (it died between git's move of the branch and the hook's word) is built all the same, by
// whoever pushed it: that was written down before the branch moved.
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createEnvironment } from '../src/control/environments.ts';
import { recoverPushes } from '../src/control/recover-pushes.ts';
import { revokeToken } from '../src/control/tokens.ts';
import { acceptPushes } from '../src/http/pushes.ts';
import { listEnvironmentsById } from '../src/postgres/environments.ts';
import { listServicesOf } from '../src/postgres/services.ts';
import { eventually, git, startGit } from './build/pusher.ts';
import { type Edge, openEdge, recording } from './http/edge.ts';
import type { TestToken } from './support/control.ts';

let edge: Edge;
let closers: (() => Promise<unknown>)[];
let ada: TestToken;
let bob: TestToken;
let serviceId: string;
let path: string;
let tree: string;

beforeEach(async () => {
  edge = await openEdge();
  closers = [() => edge.close()];
  const scopes = ['read', 'deploy'] as const;
  [ada, bob] = [await edge.addToken({ scopes }), await edge.addToken({ scopes })];
  const { ids } = await createEnvironment(edge.control, edge.token.caller, {
    name: 'Shop',
    kind: 'SANDBOX',
    services: [{ type: 'CODE', label: 'app' }],
  });
  const [environment] = await listEnvironmentsById(edge.control.store.db, [ids.environmentId]);
  serviceId = (await listServicesOf(edge.control.store.db, ids.environmentId))[0]?.id ?? '';
  path = `/git/${environment?.namespace}/app.git`;
  tree = join(edge.directory, 'tree');
  await git('/', 'init', '--quiet', '--initial-branch=main', tree);
});
afterEach(async () => {
  for (const close of closers.reverse()) await close();
});

const socketPath = () => join(edge.directory, 'push.sock');
const remote = ({ secret }: TestToken) => `${edge.server.url.replace('//', `//any:${secret}@`)}${path}`;
const push = (token: TestToken, ...refs: string[]) =>
  startGit(tree, 'push', '--force', remote(token), ...refs);
const builds = () =>
  edge.control.store.raw`select commit, requested_by from jobs where type = 'BUILD' order by id`;
const pushers = () => edge.control.store.raw`select token_id from audit where action = 'push'`;

async function commit(message: string): Promise<string> {
  await git(tree, 'commit', '--quiet', '--allow-empty', '-m', message);
  return git(tree, 'rev-parse', 'HEAD');
}

/** A Berth that takes the hook's word and does nothing with it, as one that dies in this moment. */
async function deafBerth(): Promise<{ heard: Promise<Socket>; close(): Promise<unknown> }> {
  const heard = Promise.withResolvers<Socket>();
  const hook = createServer((socket) => heard.resolve(socket.on('error', () => {}).resume())).listen(
    socketPath(),
  );
  await once(hook, 'listening');
  const close = async () => {
    (await heard.promise).destroy();
    hook.close();
    await once(hook, 'close');
  };
  return { heard: heard.promise, close };
}

test('the next start builds it once, and the audit names who pushed', async () => {
  const sha = await commit('First of all');
  const berth = await deafBerth();
  const pushing = push(ada, 'main');
  await berth.heard;
  expect(await builds()).toEqual([]);
  const next = await edge.openReplica();
  await recoverPushes(next.control, edge.repositories);
  const recorded = [{ commit: sha, requested_by: ada.caller.tokenName }];
  expect(await builds()).toEqual(recorded);
  expect((await pushers()).map((row) => row.token_id)).toEqual([ada.id]);
  await recoverPushes(next.control, edge.repositories);
  await next.close();
  await berth.close();
  expect((await pushing.done).code).toBe(0);
  expect(await builds()).toEqual(recorded);
  expect(await pushers()).toHaveLength(1);
});

test('one that came while nobody was there is taken up when its pusher comes again and finds nothing to push', async () => {
  const sha = await commit('First of all');
  await edge.repositories.ensure(serviceId);
  await git(tree, 'push', '--quiet', edge.repositories.path(serviceId), 'main');
  expect(await builds()).toEqual([]);
  const again = await push(ada, 'main').done;
  expect(again.output).toContain('up-to-date');
  expect(await builds()).toMatchObject([{ commit: sha }]);
});

test('somebody else whose own push is refused is not taken for the pusher', async () => {
  const sha = await commit('First of all');
  const berth = await deafBerth();
  const pushing = push(ada, 'main');
  await berth.heard;
  const refused = await push(bob, 'main:feature').done;
  expect(refused.output).toContain('Berth builds only the branch main');
  expect(await eventually(async () => (await builds())[0], 'the build')).toMatchObject({ commit: sha });
  expect((await pushers()).map((row) => row.token_id)).toEqual([ada.id]);
  await berth.close();
  await pushing.done;
  expect(await pushers()).toHaveLength(1);
});

test('a token that ended meanwhile takes its push with it', async () => {
  const accepting = await acceptPushes(edge.control, edge.repositories, socketPath(), recording(edge.logged));
  const first = await commit('First of all');
  const pushed = push(ada, 'main');
  await eventually(async () => (await builds()).length === 1, 'the first build');
  await accepting.close();
  await pushed.done;
  await commit('Second');
  const berth = await deafBerth();
  const pushing = push(bob, 'main');
  await berth.heard;
  await revokeToken(edge.control, edge.token.caller, { tokenId: bob.id });
  await recoverPushes(edge.control, edge.repositories);
  expect(await edge.repositories.head(serviceId)).toBe(first);
  expect(await builds()).toHaveLength(1);
  await berth.close();
  await pushing.done;
});

test('a push that can not be written down is refused, and moves nothing', async () => {
  await edge.repositories.ensure(serviceId);
  const inTheWay = join(edge.repositories.path(serviceId), 'berth-pushes');
  await writeFile(inTheWay, '');
  await commit('First of all');
  const { code, output } = await push(ada, 'main').done;
  expect(code).not.toBe(0);
  expect(output).toContain('remote: Berth could not write down who pushes; nothing was changed. Push again.');
  expect(await edge.repositories.head(serviceId)).toBeUndefined();
  await rm(inTheWay);
  expect((await push(ada, 'main').done).code).toBe(0);
  const recorded = await eventually(async () => (await pushers())[0], 'the push in the audit');
  expect(recorded?.token_id).toBe(ada.id);
});
