// What the engine's library makes a text of for every request, read by nobody, stays short however many are under way.
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { openDockerHost } from '../../src/runtime/docker-host.ts';

test('the sockets of other requests are no part of what is shown of one', async () => {
  const host = openDockerHost(undefined);
  const { calls, streams } = host.clientsFor('1.41');
  try {
    const under = Array.from({ length: 5 }, () => calls.version());
    for (const { modem } of [calls, streams]) {
      const { agent } = modem as { agent?: object };
      expect(agent).toBeDefined();
      const shown = inspect({ agent }, { showHidden: true, depth: null });
      expect(shown.length).toBeLessThan(100);
    }
    await Promise.all(under);
  } finally {
    host.close();
  }
});
