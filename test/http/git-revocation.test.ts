// A token's end while git answers: nothing more is taken from its pusher or said to them, and what was pushed asks for no
// build. And whoever pushed with a valid token stands behind the build, also when git's word of the push was lost.
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createEnvironment } from '../../src/control/environments.ts';
import { writePusher } from '../../src/control/pushes.ts';
import { revokeToken } from '../../src/control/tokens.ts';
import { acceptPushes } from '../../src/http/pushes.ts';
import { findOpenBuild } from '../../src/postgres/builds.ts';
import { listEnvironmentsById } from '../../src/postgres/environments.ts';
import { listServicesOf } from '../../src/postgres/services.ts';
import { eventually, git, startGit } from '../build/pusher.ts';
import type { TestToken } from '../support/control.ts';
import { type Edge, openEdge, recording } from './edge.ts';

const boundMs = 2_000;

let edge: Edge;
let closers: (() => Promise<unknown>)[];
let token: TestToken;
let serviceId: string;
let path: string;
let tree: string;
let sha: string;

beforeEach(async () => {
  edge = await openEdge();
  closers = [() => edge.close()];
  token = await edge.addToken({ scopes: ['read', 'deploy'] });
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
  await git(tree, 'commit', '--quiet', '--allow-empty', '-m', 'First of all');
  sha = await git(tree, 'rev-parse', 'HEAD');
});
afterEach(async () => {
  for (const close of closers.reverse()) await close();
});

const socketPath = () => join(edge.directory, 'push.sock');
const remote = () => `${edge.server.url.replace('//', `//any:${token.secret}@`)}${path}`;
const revoke = () => revokeToken(edge.control, edge.token.caller, { tokenId: token.id });
const build = () => findOpenBuild(edge.control.store.db, serviceId, sha);
const head = () => edge.repositories.head(serviceId);
const audited = () => edge.control.store.raw`select token_id from audit where action = 'push'`;

async function accept(): Promise<void> {
  const pushes = await acceptPushes(edge.control, edge.repositories, socketPath(), recording(edge.logged));
  closers.push(() => pushes.close());
}

/** A push of which eight bytes were sent, with what is left of it. */
async function heldPush(): Promise<{ socket: Socket; rest: Buffer }> {
  await edge.repositories.ensure(serviceId);
  const update = `${'0'.repeat(40)} ${sha} refs/heads/main\0report-status`;
  const command = `${(update.length + 4).toString(16).padStart(4, '0')}${update}0000`;
  await git(tree, 'repack', '-a', '-d', '-q');
  const packs = join(tree, '.git/objects/pack');
  const name = (await readdir(packs)).find((each) => each.endsWith('.pack')) ?? '';
  const pack = await readFile(join(packs, name));
  const body = Buffer.concat([Buffer.from(command), pack]);
  const socket = createConnection(edge.server.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(
    [
      `POST ${path}/git-receive-pack HTTP/1.1`,
      'host: localhost',
      `authorization: Basic ${Buffer.from(`any:${token.secret}`).toString('base64')}`,
      'content-type: application/x-git-receive-pack-request',
      `content-length: ${body.length}`,
      '\r\n',
    ].join('\r\n'),
  );
  socket.write(body.subarray(0, 8));
  return { socket, rest: body.subarray(8) };
}

test('a push that is held back is cut off once its token was revoked, and with a valid one is taken when its rest comes', async () => {
  await accept();
  const { socket, rest } = await heldPush();
  const closed = once(socket.resume(), 'close');
  // Until the server has seen who it is: only then is there something to hold on to.
  await eventually(async () => (await tokenUsed()) !== null, 'the token was looked at');
  await revoke();
  const revokedAt = performance.now();
  await closed;
  expect(performance.now() - revokedAt).toBeLessThan(boundMs);
  socket.write(rest);
  expect(await head()).toBeUndefined();
  token = await edge.addToken({ scopes: ['read', 'deploy'] });
  const again = await heldPush();
  again.socket.write(again.rest);
  expect((await eventually(build, 'the build is there'))?.commit).toBe(sha);
  again.socket.destroy();
});

async function tokenUsed(): Promise<unknown> {
  const [row] = await edge.control.store.raw`select last_used_at from tokens where id = ${token.id}`;
  return row?.last_used_at;
}

test('a pusher who looks on is told nothing more once the token was revoked', async () => {
  await accept();
  const pushing = startGit(tree, 'push', remote(), 'main');
  await eventually(build, 'the build is there');
  await revoke();
  const revokedAt = performance.now();
  const { code } = await pushing.done;
  expect(performance.now() - revokedAt).toBeLessThan(boundMs);
  expect(code).not.toBe(0);
});

test('a fetch that is under way ends with its token', async () => {
  const socket = createConnection(edge.server.port, '127.0.0.1');
  const closed = once(socket.on('error', () => {}).resume(), 'close');
  const basic = Buffer.from(`any:${token.secret}`).toString('base64');
  const head = `POST ${path}/git-upload-pack HTTP/1.1\r\nhost: localhost\r\nauthorization: Basic ${basic}\r\n`;
  const type = 'content-type: application/x-git-upload-pack-request';
  socket.write(`${head}${type}\r\ncontent-length: 100\r\n\r\n0032want`);
  await eventually(async () => (await tokenUsed()) !== null, 'the token was looked at');
  await revoke();
  const revokedAt = performance.now();
  await closed;
  expect(performance.now() - revokedAt).toBeLessThan(boundMs);
});

/** As git's hook does once the branch was moved. */
async function announce(oldSha: string, newSha: string): Promise<string> {
  const socket = createConnection(socketPath());
  const pusherToken = writePusher(token.caller);
  socket.write(`${JSON.stringify({ repositoryId: serviceId, pusherToken, oldSha, newSha })}\n`);
  return text(socket);
}

test('a push whose token ended before it was told of is taken back and not built', async () => {
  await accept();
  await edge.repositories.ensure(serviceId);
  const kept = edge.repositories.path(serviceId);
  await revoke();
  await git(tree, 'push', '--quiet', kept, 'main');
  expect(await announce('0'.repeat(40), sha)).toContain('taken back');
  expect(await head()).toBeUndefined();
  await git(tree, 'push', '--quiet', kept, 'main');
  await git(tree, 'commit', '--quiet', '--allow-empty', '-m', 'Second');
  const second = await git(tree, 'rev-parse', 'HEAD');
  await git(tree, 'push', '--quiet', kept, 'main');
  await announce('0'.repeat(40), sha);
  expect(await head()).toBe(second);
  await announce(sha, second);
  expect(await head()).toBe(sha);
  expect(await build()).toBeUndefined();
  expect(edge.logged).toEqual([]);
});

test('a push whose word was lost is recorded once, with whoever pushed', async () => {
  expect((await startGit(tree, 'push', remote(), 'main').done).code).toBe(0);
  const job = await eventually(build, 'the build is there');
  expect(job?.requestedBy).toBe(token.caller.tokenName);
  expect(await audited()).toEqual([{ token_id: token.id }]);
});

test('a push whose word was lost is not recorded when its token ended meanwhile', async () => {
  const heard = Promise.withResolvers<Socket>();
  const hook = createServer((socket) => heard.resolve(socket.resume())).listen(socketPath());
  closers.push(() => new Promise((closed) => hook.close(closed)));
  const pushing = startGit(tree, 'push', remote(), 'main');
  const announced = await heard.promise;
  await revoke();
  expect((await pushing.done).code).not.toBe(0);
  announced.destroy();
  // git has ended with its hook; without the second look the build comes within some milliseconds.
  await expect(eventually(build, 'a build', 1_000)).rejects.toThrow('Last seen: undefined');
});
