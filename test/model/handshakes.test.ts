// What each engine's handshake takes for a server that takes clients, and what not: byte by byte as the servers speak them,
// those with whom no machine without a registry can speak above all (MySQL, MongoDB). The others are met alive in
// test/orchestrator/engines.test.ts.
import { expect, test } from 'vitest';
import { engineKinds } from '../../src/model/service-types/index.ts';

function accepts(runtime: string, answer: Buffer): boolean {
  const kind = engineKinds.find((each) => each.runtime === runtime);
  if (kind === undefined) throw new Error(`no ${runtime}`);
  return kind.handshake.accepts(answer);
}

/** Of the protocol that MySQL and MariaDB share: three bytes of length, a sequence number, then the body. */
function packet(...body: readonly (number | string)[]): Buffer {
  const bytes = Buffer.concat(
    body.map((part) => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part, 'latin1'))),
  );
  return Buffer.concat([Buffer.of(bytes.length & 0xff, bytes.length >> 8, 0, 0), bytes]);
}

const greeting = (version: string) =>
  packet(10, `${version}\0`, '\x08\0\0\0', 'abcdefgh\0', '\xff\xff\xff\x02\0\xff\xdf\x15', '\0'.repeat(10));

test.each(['MYSQL', 'MARIADB'])('%s is ready by its greeting, and by nothing else', (runtime) => {
  for (const version of ['8.4.3', '8.0.40', '5.5.5-10.11.6-MariaDB'])
    expect(accepts(runtime, greeting(version))).toBe(true);
  // 1040: too many connections; 1129: this host is blocked. An error packet begins with 255.
  expect(accepts(runtime, packet(0xff, '\x10\x04', 'Too many connections'))).toBe(false);
  expect(accepts(runtime, packet(0xff, '\x69\x04', 'Host is blocked'))).toBe(false);
  expect(accepts(runtime, packet(9, '3.20\0'))).toBe(false);
  for (const other of ['', '\n', 'HTTP/1.1 400 Bad Request\r\n\r\n', '-ERR unknown command\r\n'])
    expect(accepts(runtime, Buffer.from(other))).toBe(false);
  // It comes in pieces: the first don't count for all, the whole does.
  const whole = greeting('8.4.3');
  for (const length of [0, 3, 5]) expect(accepts(runtime, whole.subarray(0, length))).toBe(false);
});

/** A message of MongoDB: length, own number, number of what it answers, operation code, then its body. */
function message(operation: number, body: Buffer): Buffer {
  const head = Buffer.alloc(16);
  head.writeInt32LE(16 + body.length, 0);
  head.writeInt32LE(operation, 12);
  return Buffer.concat([head, body]);
}

/** { ok: 1.0 } */
const document = Buffer.from('\x11\0\0\0\x01ok\0\0\0\0\0\0\0\xf0\x3f\0', 'latin1');
const opMsg = message(2013, Buffer.concat([Buffer.alloc(5), document]));

test('MongoDB is ready by an answer to hello, and by nothing else', () => {
  expect(accepts('MONGODB', opMsg)).toBe(true);
  // What servers before 3.6 answer with, and other operations.
  for (const operation of [1, 2012, 2013 + 256, 0])
    expect(accepts('MONGODB', message(operation, Buffer.concat([Buffer.alloc(5), document])))).toBe(false);
  for (const other of ['', 'HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nIt looks like you are trying'])
    expect(accepts('MONGODB', Buffer.from(other))).toBe(false);
  for (const length of [0, 12, 16, 20]) expect(accepts('MONGODB', opMsg.subarray(0, length))).toBe(false);
});

test('MongoDB is asked by a well-formed hello', () => {
  const request = Buffer.from(
    engineKinds.find(({ runtime }) => runtime === 'MONGODB')?.handshake.request ?? [],
  );
  expect(request.readInt32LE(0)).toBe(request.length);
  expect(request.readInt32LE(12)).toBe(2013);
  const body = request.subarray(21);
  expect(body.readInt32LE(0)).toBe(body.length);
  expect(body.at(-1)).toBe(0);
  expect(body.toString('latin1')).toContain('\x10hello\0\x01\0\0\0\x02$db\0\x06\0\0\0admin\0');
});

test('Redis and Valkey are ready once they no longer load, memcached once it tells its version', () => {
  for (const runtime of ['REDIS', 'VALKEY']) {
    expect(accepts(runtime, Buffer.from('+PONG\r\n'))).toBe(true);
    expect(accepts(runtime, Buffer.from('-NOAUTH Authentication required.\r\n'))).toBe(true);
    for (const other of [
      '-LOADING Redis is loading the dataset in memory\r\n',
      '-ERR max number of clients\r\n',
      '+PO',
    ])
      expect(accepts(runtime, Buffer.from(other))).toBe(false);
  }
  expect(accepts('MEMCACHED', Buffer.from('VERSION 1.6.18\r\n'))).toBe(true);
  for (const other of ['ERROR\r\n', 'VERS', '-ERR\r\n'])
    expect(accepts('MEMCACHED', Buffer.from(other))).toBe(false);
});

test('PostgreSQL is ready when it asks who one is, not while it starts or recovers', () => {
  const answer = (type: string, body: string) => Buffer.from(`${type}\0\0\0${body}`, 'latin1');
  expect(accepts('POSTGRESQL', answer('R', '\x17\0\0\0\x0aSCRAM-SHA-256\0\0'))).toBe(true);
  expect(accepts('POSTGRESQL', answer('E', '\x50SFATAL\0C28000\0Mno pg_hba.conf entry\0\0'))).toBe(true);
  for (const words of [
    'the database system is starting up',
    'the database system is not yet accepting connections',
  ])
    expect(accepts('POSTGRESQL', answer('E', `\x50SFATAL\0C57P03\0M${words}\0\0`))).toBe(false);
});
