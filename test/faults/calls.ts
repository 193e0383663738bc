// The calls that a redeploy makes to the engine, each told from the others by how it is asked.
import type { Call } from '../support/faulty-socket.ts';

type Which = (call: Call) => boolean;

function asked(method: string, path: RegExp, filter?: string): Which {
  return (call) =>
    call.method === method &&
    path.test(call.path) &&
    (filter === undefined || (call.query.get('filters') ?? '').includes(`"${filter}"`));
}

/** By what it does; in the order in which a first redeploy comes by it. */
export const calls = {
  'find network': asked('GET', /^\/networks$/, 'name'),
  'create network': asked('POST', /^\/networks\/create$/),
  'inspect volume': asked('GET', /^\/volumes\/[^/]+$/),
  'create volume': asked('POST', /^\/volumes\/create$/),
  'inspect image': asked('GET', /^\/images\/.+\/json$/),
  'inspect network': asked('GET', /^\/networks\/[^/]+$/),
  'create container': asked('POST', /^\/containers\/create$/),
  'put files': asked('PUT', /^\/containers\/[^/]+\/archive$/),
  'start container': asked('POST', /^\/containers\/[^/]+\/start$/),
  'wait for container': asked('POST', /^\/containers\/[^/]+\/wait$/),
  'inspect container': asked('GET', /^\/containers\/[^/]+\/json$/),
  'stop container': asked('POST', /^\/containers\/[^/]+\/stop$/),
  'read log': asked('GET', /^\/containers\/[^/]+\/logs$/),
  'remove container': asked('DELETE', /^\/containers\/[^/]+$/),
  'list containers': asked('GET', /^\/containers\/json$/),
  'list networks': asked('GET', /^\/networks$/, 'label'),
  'list volumes': asked('GET', /^\/volumes$/),
  'listen to events': asked('GET', /^\/events$/),
} as const satisfies Readonly<Record<string, Which>>;

export type CallName = keyof typeof calls;
export const callNames = Object.keys(calls) as readonly CallName[];

/** Their answers have no body that could be cut off. */
export const bodiless: readonly CallName[] = [
  'put files',
  'start container',
  'stop container',
  'remove container',
];

/** They change something, so it matters when they arrive. */
export const changing: readonly CallName[] = [
  'create network',
  'create volume',
  'create container',
  ...bodiless,
];

/** A redeploy ends well without them. */
export const dispensable: readonly CallName[] = [
  'read log',
  'remove container',
  'list containers',
  'list networks',
  'list volumes',
  'listen to events',
];
