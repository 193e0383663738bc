// The log hides what a telling name says is secret, at any depth, and refuses a level that isn't one.
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { openLog } from '../src/log.ts';

test('secrets under telling names come out hidden, everything else as it was', () => {
  const module = new URL('../src/log.ts', import.meta.url).href;
  const program = `
    import { openLog } from ${JSON.stringify(module)};
    openLog('info').info({ service: 'web', token: 'canary-1', deep: [{ userPassword: 'canary-2', port: 80 }],
      headers: { Authorization: 'canary-3' }, err: new Error('a fault') }, 'a line');`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
  });
  expect(stdout).toBe('');
  expect(stderr).not.toContain('canary');
  expect(JSON.parse(stderr)).toMatchObject({
    service: 'web',
    token: '[hidden]',
    deep: [{ userPassword: '[hidden]', port: 80 }],
    headers: { Authorization: '[hidden]' },
    err: { message: 'a fault' },
    msg: 'a line',
  });
});

test('a level that is none is refused by name', () => {
  expect(() => openLog('loud')).toThrow(/"loud" is no log level.*BERTH_LOG_LEVEL/);
});
