// MongoDB. Ready when it answers the `hello` command, which needs no authentication. Its image comes from a registry
// only: there is no free package to make it from.
import { bytes, type EngineKind, mebibyte } from '../engine-kind.ts';

const opMsg = 2013;

export const mongodb: EngineKind = {
  type: 'DATABASE',
  runtime: 'MONGODB',
  check: 'MONGODB',
  title: 'MongoDB',
  versions: ['8.0', '7.0'].map((version) => ({ version, image: `docker.io/library/mongo:${version}` })),
  port: 27017,
  dataPath: '/data/db',
  tmpfs: { '/tmp': 64 * mebibyte, '/run': 16 * mebibyte },
  minimumMemoryMiB: 512,
  stopGraceSeconds: 60,
  // An answer is a message whose operation code (bytes 12 to 15) is OP_MSG.
  handshake: {
    request: helloMessage(),
    accepts: (answer) => answer.length > 20 && operationOf(answer) === opMsg,
  },
  ownVariables: ({ user, password, database }) => ({
    MONGO_INITDB_ROOT_USERNAME: user,
    MONGO_INITDB_ROOT_PASSWORD: password,
    MONGO_INITDB_DATABASE: database,
  }),
  url: (host, { user, password, database }) =>
    `mongodb://${user}:${password}@${host}:27017/${database}?authSource=admin`,
  customaryVariables: () => ({}),
};

function operationOf(message: Uint8Array): number {
  return new DataView(message.buffer, message.byteOffset, message.byteLength).getInt32(12, true);
}

/** OP_MSG with one body section: the BSON document { hello: 1, $db: 'admin' }. */
function helloMessage(): Uint8Array {
  const hello = [0x10, ...bytes('hello\0'), 1, 0, 0, 0];
  const database = [0x02, ...bytes('$db\0'), 6, 0, 0, 0, ...bytes('admin\0')];
  const document = [...hello, ...database, 0];
  const message = new Uint8Array(16 + 4 + 1 + 4 + document.length);
  const view = new DataView(message.buffer);
  view.setInt32(0, message.length, true);
  view.setInt32(12, opMsg, true);
  view.setInt32(21, 4 + document.length, true);
  message.set(document, 25);
  return message;
}
