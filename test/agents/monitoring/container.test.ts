// The monitoring service's image under the hardening Berth runs it with, as the engine stops, kills and starts it.
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ConfiguredCheck, monitoringAgent } from '../../../src/model/monitoring/agent.ts';
import { type Bench, eventually, openBench } from '../../images/hardened.ts';
import { type AgentPlace, makeKeys, openClient, pemOf } from './client.ts';
import { expectWhole, follow } from './follower.ts';

const { port, dataPath, files, userId } = monitoringAgent;

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());

function checkOf(id: string, host: string, targetPort: number): ConfiguredCheck {
  const standard = { type: 'TCP', settings: {}, thresholds: [], intervalSeconds: 1, timeoutSeconds: 1 };
  return { id, target: { host, port: targetPort }, ...standard };
}

test('the container checks by name, and goes on with the same numbers after a restart and a kill', {
  timeout: 180_000,
}, async () => {
  const imageId = await bench.image('berth/monitoring');
  const keys = await makeKeys();
  const clientPem = await pemOf(keys.authority, 'CLIENT');
  const listening = `require('net').createServer((socket) => socket.destroy()).listen(8080)`;
  await bench.start({ imageId, command: ['-e', listening], aliases: ['web'] });
  const { name } = await bench.start({
    imageId,
    memoryBytes: 128 * 1024 * 1024,
    cpuMillis: 500,
    volume: { name: await bench.volume(), path: dataPath },
    files: [
      { path: files.server, content: keys.serverPem, mode: 0o400 },
      { path: files.authority, content: keys.authority.certificate, mode: 0o444 },
    ],
    fileOwner: { uid: userId, gid: userId },
  });
  const container = new Docker().getContainer(name);
  const placeNow = async (): Promise<AgentPlace> => {
    const { Networks } = (await container.inspect()).NetworkSettings;
    const host = Object.values(Networks)[0]?.IPAddress ?? '';
    return { host, port, authority: keys.authority, clientPem };
  };
  const client = openClient(await placeNow());
  const checks = [checkOf('up', 'web', 8080), checkOf('down', 'web', 1)];
  await eventually(async () =>
    expect(await client.configure({ revision: 1, checks })).toEqual({ status: 200, body: { revision: 1 } }),
  );
  client.close();
  const follower = follow(await placeNow());
  try {
    await follower.more(6);
    const { epoch } = follower;
    await container.restart();
    follower.moveTo(await placeNow());
    await follower.more(6);
    await container.kill({ signal: 'KILL' });
    await container.start();
    follower.moveTo(await placeNow());
    await follower.more(6);
    expect(follower.epoch).toBe(epoch);
    expectWhole(follower.results);
    for (const { checkId, state, output } of follower.results)
      expect(state, output).toBe(checkId === 'up' ? 'OK' : 'CRITICAL');
    const { State, HostConfig, Config } = await container.inspect();
    expect(Config.User).toBe(`${userId}:${userId}`);
    expect([HostConfig.ReadonlyRootfs, HostConfig.CapDrop, HostConfig.CapAdd]).toEqual([true, ['ALL'], []]);
    expect(State.OOMKilled).toBe(false);
    expect(await bench.stop(name, 10)).toBe(0);
  } finally {
    await follower.close();
  }
});
