// Settings from outside: what is not given is at its standard, and a refusal names field and rule. And what runCheck makes of
// all that can be wrong with a check.
import { describe, expect, test } from 'vitest';
import { checkTypes } from '../../src/checks/index.ts';
import { runCheck } from '../../src/checks/run.ts';
import { checkSettings } from '../../src/checks/settings.ts';
import { InvalidInput } from '../../src/errors.ts';
import { longestOutput } from '../../src/model/monitoring/observations.ts';
import { listen, refusedPort } from './servers.ts';

function typeOf(name: string) {
  const type = checkTypes.get(name);
  if (type === undefined) throw new Error(`No ${name}`);
  return type;
}

function refusal(name: string, given: unknown): string {
  try {
    checkSettings(typeOf(name), given, ['input', 'settings']);
  } catch (fault) {
    if (fault instanceof InvalidInput) return `${fault.inputPath.join('.')}: ${fault.message}`;
    throw fault;
  }
  throw new Error('It was accepted.');
}

test.each([...checkTypes.values()])(
  '$type: nothing given is the standard, and what is accepted is accepted again',
  (type) => {
    expect(checkSettings(type, {})).toEqual(type.settings);
    expect(checkSettings(type, type.settings)).toEqual(type.settings);
  },
);

test.each<[type: string, given: unknown, refused: string]>([
  ['HTTP', { path: 'x' }, 'path: must begin with / and have visible ASCII characters only.'],
  ['HTTP', { path: 5 }, 'path: must be a text.'],
  ['HTTP', { path: `/${'x'.repeat(2_000)}` }, 'path: must be at most 1024 characters.'],
  ['HTTP', { method: 'POST' }, 'method: must be one of GET, HEAD.'],
  ['HTTP', { method: 'HEAD', contains: 'x' }, 'contains: is for GET only: HEAD is answered without a body.'],
  ['HTTP', { hostHeader: 'a\r\nb: c' }, 'hostHeader: must be a host name, with a port if wanted.'],
  ['HTTP', { expectedStatus: { from: 99, to: 200 } }, 'expectedStatus.from: must be at least 100.'],
  ['HTTP', { expectedStatus: { from: 300, to: 200 } }, 'expectedStatus.to: must not be below from.'],
  ['HTTP', { expectedStatus: { from: 200.5, to: 300 } }, 'expectedStatus.from: must be a whole number.'],
  ['HTTP', { tls: 'yes' }, 'tls: must be true or false.'],
  ['HTTP', { authorities: 'no' }, 'authorities: must be certificates in PEM.'],
  ['HTTP', { contains: 'a\0' }, 'contains: must be well-formed Unicode without NUL.'],
  ['TCP', { send: '\ud800' }, 'send: must be well-formed Unicode without NUL.'],
  ['TCP', { sned: 'x' }, 'sned: is no setting of a check of type TCP.'],
  ['CERTIFICATE', { serverNames: ['a.example.org', 'a b'] }, 'serverNames.1: must be a host name.'],
  ['CERTIFICATE', { serverNames: Array(51).fill('a') }, 'serverNames: must be at most 50 entries.'],
  ['POSTGRESQL', { path: '/' }, 'path: is no setting of a check of type PostgreSQL.'],
])('%s refuses %j', (type, given, refused) => {
  expect(refusal(type, given)).toBe(`input.settings.${refused}`);
});

test.each([null, [], 'x', 5])('settings that are %j are refused', (given) => {
  expect(refusal('TCP', given)).toBe('input.settings: must be a set of fields.');
});

describe('a run', () => {
  const target = { host: '127.0.0.1', port: 1 };

  test('of a type that is not there, or with settings that can not be, is UNKNOWN', async () => {
    expect(await runCheck('GOPHER', target, {}, [], 100)).toMatchObject({
      state: 'UNKNOWN',
      output: 'There is no check type GOPHER.',
      metrics: [],
    });
    expect(await runCheck('HTTP', target, { path: 5 }, [], 100)).toMatchObject({
      state: 'UNKNOWN',
      output: 'The check could not be made: path must be a text.',
    });
  });

  test('on a port or to a host that can not be is no exception', async () => {
    for (const type of checkTypes.keys())
      for (const odd of [
        { host: '127.0.0.1', port: 70_000 },
        { host: 'a b', port: 80 },
        { host: '', port: await refusedPort() },
      ])
        expect((await runCheck(type, odd, {}, [], 1_000)).state).not.toBe('OK');
  });

  test('is judged by the thresholds of its type, those given before them', async () => {
    const server = await listen(() => {});
    const run = (warning: number | null) =>
      runCheck(
        'TCP',
        { ...target, port: server.port },
        {},
        [{ metric: 'total_time', bad: 'ABOVE', warning, critical: null }],
        1_000,
      );
    expect(await runCheck('TCP', { ...target, port: server.port }, {}, [], 1_000)).toMatchObject({
      state: 'OK',
      metrics: [{ name: 'connect_time' }, { name: 'total_time', warning: 1_000, critical: 5_000 }],
    });
    expect(await run(0)).toMatchObject({ state: 'WARNING' });
    expect(await run(null)).toMatchObject({ state: 'OK', durationMs: expect.any(Number) });
    await server.close();
  });

  test('shows no password, however short, and no more than can be kept', async () => {
    const server = await listen((socket) => socket.end(`${'hunter2 '.repeat(20)}\r\n`));
    const settings = { expect: 'x'.repeat(1_000) };
    const seen = await runCheck(
      'TCP',
      { ...target, port: server.port, password: 'hunter2' },
      settings,
      [],
      1_000,
    );
    expect(seen.output).toContain('[redacted] [redacted]');
    expect(seen.output).not.toContain('hunter2');
    expect(seen.output.length).toBeLessThanOrEqual(longestOutput);
    await server.close();
  });
});
