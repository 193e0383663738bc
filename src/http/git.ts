// git over HTTP: who may fetch from and push to which service, before git itself answers. Basic authentication with any
// name and a token as the password, because that is what git asks people for. A token that ends while git answers ends the
// answer, and what was pushed with it asks for no build.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Repositories } from '../build/git.ts';
import { gitService, parseGitPath, serveGit } from '../build/http-backend.ts';
import type { Control } from '../control/control.ts';
import { serviceForGit, writePusher } from '../control/pushes.ts';
import { recoverPush } from '../control/recover-pushes.ts';
import type { TokenWatch } from '../control/token-watch.ts';
import { Refusal } from '../errors.ts';
import type { Caller } from '../model/callers.ts';
import { answerText } from './answers.ts';
import { addressOf, basicPassword, type Identify } from './identify.ts';

export interface GitOptions {
  readonly control: Control;
  readonly repositories: Repositories;
  readonly identify: Identify;
  readonly tokens: TokenWatch;
}

export async function serveRepository(
  request: IncomingMessage,
  response: ServerResponse,
  { control, repositories, identify, tokens }: GitOptions,
): Promise<void> {
  const url = request.url ?? '';
  const query = url.includes('?') ? url.slice(url.indexOf('?') + 1) : '';
  const address = parseGitPath(url);
  const service = address && gitService(request.method, address.rest, query);
  if (address === undefined || service === undefined) return answerText(request, response, 404, 'Not found.');
  const caller = await identified(request, response, identify);
  if (caller === undefined) return;
  const action = service === 'git-receive-pack' ? 'DEPLOY' : 'READ';
  const found = await serviceForGit(control, caller, address, action).catch(asRefusal);
  if (found instanceof Refusal)
    return answerText(request, response, found.code === 'FORBIDDEN' ? 403 : 404, found.message);
  await repositories.ensure(found.serviceId);
  // A push that was kept after the server had gone is taken up when its pusher comes again, who finds nothing to push.
  if (service === 'git-receive-pack' && request.method === 'GET')
    await recoverPush(control, repositories, found.serviceId);
  // Of a client that has gone, http-backend.ts ends git: at once, or soon when all of a push has arrived already.
  const stopWatching = tokens.watch(caller.tokenId, () => response.destroy());
  await serveGit(request, response, {
    repositoryPath: repositories.path(found.serviceId),
    pathInfo: address.rest,
    query,
    environment: repositories.pushEnvironment(found.serviceId, writePusher(caller)),
  }).finally(stopWatching);
  if (service !== 'git-receive-pack' || request.method !== 'POST') return;
  await recoverPush(control, repositories, found.serviceId);
}

async function identified(
  request: IncomingMessage,
  response: ServerResponse,
  identify: Identify,
): Promise<Caller | undefined> {
  const identity = await identify(basicPassword(request.headers.authorization), addressOf(request));
  if (identity.kind === 'CALLER') return identity.caller;
  if (identity.kind === 'WAIT')
    answerText(request, response, 429, `Too many wrong tokens came from this address.`, {
      'retry-after': String(identity.seconds),
    });
  else
    answerText(request, response, 401, 'Give a token of Berth as the password; any user name will do.', {
      'www-authenticate': 'Basic realm="Berth", charset="UTF-8"',
    });
  return undefined;
}

function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  throw error;
}
