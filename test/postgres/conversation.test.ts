// What passes between driver and server is followed exactly, wherever the network cuts it into pieces.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { followConversation } from '../../src/postgres/conversation.ts';

function message(kind: string, body: Buffer | string = ''): Buffer {
  const bytes = Buffer.from(body);
  const head = Buffer.alloc(5);
  head.write(kind);
  head.writeUInt32BE(bytes.length + 4, 1);
  return Buffer.concat([head, bytes]);
}

const startup = Buffer.concat([Buffer.from([0, 0, 0, 12, 0, 3, 0, 0]), Buffer.alloc(4)]);
const ready = message('Z', 'I');
const fatal = message('E', 'SFATAL\0VFATAL\0C57P01\0Mgoing down\0\0');
const mistake = message('E', 'SERROR\0VERROR\0C42601\0Ma mistake\0\0');

test('an answer is owed from the first message sent until the server is ready again for each', () => {
  const { send, receive, isOwed } = followConversation();
  expect(isOwed()).toBe(false);
  expect(send(startup)).toEqual(startup);
  receive(message('R', Buffer.alloc(4)));
  send(message('p', 'secret'));
  expect(isOwed()).toBe(true);
  receive(ready);
  expect(isOwed()).toBe(false);
  send(Buffer.concat([message('P'), message('D'), message('H')]));
  receive(Buffer.concat([message('1'), message('t')]));
  expect(isOwed()).toBe(true);
  send(Buffer.concat([message('B'), message('E'), message('S'), message('Q', 'select 1')]));
  receive(ready);
  expect(isOwed()).toBe(true);
  receive(Buffer.concat([mistake, ready]));
  expect(isOwed()).toBe(false);
  receive(message('A', 'a notification'));
  expect(isOwed()).toBe(false);
  send(message('X'));
  expect(isOwed()).toBe(true);
});

test('what was meant for the connection before never reaches the server', () => {
  const { send } = followConversation();
  expect(send(Buffer.concat([message('P', 'insert'), message('S'), startup]))).toEqual(startup);
});

const answers = fc.array(
  fc.oneof(
    fc.constant(ready),
    fc.constant(mistake),
    fc.uint8Array({ maxLength: 200 }).map((body) => message('D', Buffer.from(body))),
  ),
);

test('however the answers are cut, the driver sees all of them, and of the last words nothing', () => {
  fc.assert(
    fc.property(answers, fc.boolean(), fc.array(fc.nat(40), { minLength: 1 }), (said, ends, sizes) => {
      const { send, receive, isOwed } = followConversation();
      send(startup);
      const count = said.filter((each) => each === ready).length;
      for (let number = 1; number < count; number++) send(message('Q'));
      const bytes = Buffer.concat(ends ? [...said, fatal, ready] : said);
      const seen: Buffer[] = [];
      let words: unknown;
      for (let at = 0, turn = 0; at < bytes.length && words === undefined; turn++) {
        const size = 1 + (sizes[turn % sizes.length] ?? 0);
        const step = receive(bytes.subarray(at, at + size));
        seen.push(step.seen);
        words = step.lastWords;
        at += size;
      }
      expect(Buffer.concat(seen)).toEqual(Buffer.concat(said));
      if (ends) expect(words).toMatchObject({ severity: 'FATAL', code: '57P01', message: 'going down' });
      else expect(words).toBeUndefined();
      expect(isOwed()).toBe(count === 0);
    }),
  );
});
