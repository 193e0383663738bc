// What every type of check must withstand: nobody there, silence, hanging up, answers that make no sense or throw the
// password back. Whatever comes, there is an answer in time, one look at a time on one connection, and nothing stays open.
import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { checkTypes } from '../../src/checks/index.ts';
import { type Run, runCheck } from '../../src/checks/run.ts';
import type { CheckTarget } from '../../src/model/monitoring/agent.ts';
import { type Heard, listen, refusedPort } from './servers.ts';

const opened: Heard[] = [];
afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
});

async function serve(each: Parameters<typeof listen>[0]): Promise<Heard> {
  const server = await listen(each);
  opened.push(server);
  return server;
}

const password = 'c4n4ry-p4ssw0rd';
/** TCP is made to expect something, or any server would be a good one. */
const settings: Readonly<Record<string, object>> = { TCP: { send: 'hello', expect: 'welcome to me' } };
/** The driver watches by a connection of its own. */
const mostConnections: Readonly<Record<string, number>> = { MONGODB: 2 };

function run(type: string, port: number, change: Partial<CheckTarget> = {}, timeoutMs = 2_000): Promise<Run> {
  const target = { host: '127.0.0.1', port, user: 'app', password, database: 'app', ...change };
  return runCheck(type, target, { ...settings[type] }, [], timeoutMs);
}

const junk: Readonly<Record<string, Buffer>> = {
  'a mail greeting': Buffer.from('220 mail.example.org ready\r\n'),
  'an HTTP answer': Buffer.from('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n'),
  zeros: Buffer.alloc(4_096),
  ones: Buffer.alloc(4_096, 0xff),
  noise: randomBytes(65_536),
  'a short packet of MySQL': Buffer.from([1, 0, 0, 0, 10]),
  'a garbled packet of MySQL': Buffer.from([9, 0, 0, 0, 10, 1, 2, 3, 4, 5, 6, 7, 8]),
  'errors of Redis': Buffer.from('-ERR no\r\n-ERR no\r\n-ERR no\r\n-ERR no\r\n'),
  'a broken message of PostgreSQL': Buffer.from([0x52, 0, 0, 0, 1, 0xff, 0x45, 0, 0, 0, 5, 0]),
  'a broken message of MongoDB': Buffer.from([
    ...[30, 0, 0, 0],
    ...Array(8).fill(0),
    0xdd,
    7,
    ...Array(16).fill(9),
  ]),
};

describe.each([...checkTypes.keys()])('%s', (type) => {
  test('a refused port is CRITICAL at once, with the reason', async () => {
    const port = await refusedPort();
    const seen = await run(type, port, {}, 10_000);
    expect(seen).toMatchObject({ state: 'CRITICAL', metrics: [] });
    expect(seen.output).toContain(`nothing listens on port ${port} (ECONNREFUSED)`);
    expect(seen.durationMs).toBeLessThan(5_000);
  });

  test('a name that nobody knows is CRITICAL, with the name', async () => {
    const seen = await run(type, 80, { host: 'nobody.invalid' }, 10_000);
    expect(seen.state).toBe('CRITICAL');
    expect(seen.output).toMatch(/the name nobody\.invalid is not known|no answer within/);
  });

  test('silence is CRITICAL when the time is up, and the connection is closed', async () => {
    const silent = await serve(() => {});
    const seen = await run(type, silent.port, {}, 200);
    expect(seen).toMatchObject({ state: 'CRITICAL', metrics: [] });
    expect(seen.output).toMatch(/: no answer within 200 ms\.$/);
    await silent.allClosed();
    expect(silent.taken()).toBeLessThanOrEqual(mostConnections[type] ?? 1);
  });

  test('a server that hangs up at once is CRITICAL, and is not asked again', async () => {
    const rude = await serve((socket) => socket.end());
    const seen = await run(type, rude.port);
    expect(seen.state).toBe('CRITICAL');
    expect(seen.output).not.toContain('no answer');
    await rude.allClosed();
    expect(rude.taken()).toBeLessThanOrEqual(mostConnections[type] ?? 1);
  });

  test('an answer that makes no sense is CRITICAL', async () => {
    const looks = Object.entries(junk).flatMap(([name, bytes]) =>
      [true, false].map(async (hangsUp) => {
        const odd = await serve((socket) => (hangsUp ? socket.end(bytes) : socket.write(bytes)));
        const { state, output } = await run(type, odd.port, {}, 300);
        await odd.allClosed();
        return { name, state, said: output.length > 20 };
      }),
    );
    for (const look of await Promise.all(looks))
      expect(look).toEqual({ name: look.name, state: 'CRITICAL', said: true });
  });

  test('a server that throws back what it is sent brings no password into the output', async () => {
    const ways: ((sent: Buffer) => Buffer | string)[] = [
      (sent) => sent,
      (sent) => `-ERR unknown command, with args beginning with: ${sent.toString('latin1')}\r\n`,
      () => `-ERR ${password}\r\n`,
    ];
    const looks = ways.map(async (way) => {
      const echo = await serve((socket) => socket.on('data', (sent) => socket.write(way(sent))));
      const seen = await run(type, echo.port, {}, 200);
      await echo.allClosed();
      return JSON.stringify(seen);
    });
    for (const seen of await Promise.all(looks)) expect(seen).not.toContain(password);
  });
});

test('Redis that repeats the beginning of a long password brings none of it into the output', async () => {
  const long = `c4n4ry${'x'.repeat(194)}`;
  const old = await serve((socket) =>
    socket.on('data', () =>
      socket.write(`-ERR unknown command 'AUTH', with args beginning with: '${long.slice(0, 128)}'\r\n`),
    ),
  );
  const seen = await run('REDIS', old.port, { password: long });
  expect(seen.output).toContain("unknown command 'AUTH'");
  expect(seen.output).not.toContain('c4n4ry');
});
