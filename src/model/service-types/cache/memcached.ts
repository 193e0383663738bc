// memcached. It has no sign-in: only the environment's private network reaches it.
import { bytes, type EngineKind, mebibyte, startsWith } from '../engine-kind.ts';

export const memcached: EngineKind = {
  type: 'CACHE',
  runtime: 'MEMCACHED',
  check: 'MEMCACHED',
  title: 'memcached',
  versions: [{ version: '1.6', image: 'docker.io/library/memcached:1.6' }],
  port: 11211,
  dataPath: null,
  tmpfs: { '/tmp': 16 * mebibyte },
  minimumMemoryMiB: 96,
  stopGraceSeconds: 10,
  handshake: { request: bytes('version\r\n'), accepts: (answer) => startsWith(answer, 'VERSION') },
  ownVariables: () => ({}),
  url: (host) => `memcached://${host}:11211`,
  customaryVariables: () => ({}),
};
