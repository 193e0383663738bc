// Redis and Valkey, which share a protocol. Ready when PING is answered, be it by a demand for the password; while the
// data is read in, the answer is -LOADING.
import { bytes, type EngineKind, mebibyte, startsWith } from '../engine-kind.ts';

function redisLike(
  runtime: string,
  title: string,
  program: string,
  images: EngineKind['versions'],
): EngineKind {
  return {
    type: 'CACHE',
    runtime,
    check: 'REDIS',
    title,
    versions: images,
    port: 6379,
    dataPath: null,
    // The password reaches the server by its environment; the script is a constant.
    command: ['sh', '-c', `exec ${program} --save '' --appendonly no --requirepass "$REDIS_PASSWORD"`],
    tmpfs: { '/tmp': 16 * mebibyte, '/data': 16 * mebibyte },
    minimumMemoryMiB: 32,
    stopGraceSeconds: 15,
    handshake: {
      request: bytes('PING\r\n'),
      accepts: (answer) => startsWith(answer, '+PONG') || startsWith(answer, '-NOAUTH'),
    },
    ownVariables: ({ password }) => ({ REDIS_PASSWORD: password }),
    url: (host, { password }) => `redis://:${password}@${host}:6379/0`,
    customaryVariables: (host, { password }) => ({ REDIS_URL: `redis://:${password}@${host}:6379/0` }),
  };
}

export const redis = redisLike(
  'REDIS',
  'Redis',
  'redis-server',
  ['7.0', '8', '7.4'].map((version) => ({ version, image: `docker.io/library/redis:${version}` })),
);

export const valkey = redisLike(
  'VALKEY',
  'Valkey',
  'valkey-server',
  ['8', '9'].map((version) => ({ version, image: `docker.io/valkey/valkey:${version}` })),
);
