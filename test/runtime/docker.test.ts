// Holds Docker Engine to the runtime contract, and to what only Docker promises: that a broken connection costs no log line,
// and that an installation hears of its own containers.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDocker } from '../../src/runtime/docker.ts';
import type { EngineEvent, Runtime } from '../../src/runtime/runtime.ts';
import { busyboxChanges, busyboxTar } from '../support/busybox.ts';
import { newInstallation } from '../support/engine.ts';
import { type Call, openFaultySocket } from '../support/faulty-socket.ts';
import { runtimeContract } from './contract.ts';
import { labelsOf, readAll, specOf, uniqueName, until, type World } from './world.ts';

const ours = newInstallation();
const theirs = newInstallation();
const subnetRange = '10.211.0.0/16';
let runtime: Runtime;
let world: World;

beforeAll(async () => {
  runtime = openDocker({ host: process.env.DOCKER_HOST, subnetRange });
  const tag = `${uniqueName('image')}:1`;
  const label = `LABEL berth.installation=${ours.id}`;
  const imageId = await runtime.importImage(tag, await busyboxTar(), [...busyboxChanges, label]);
  const network = uniqueName('network');
  await runtime.ensureNetwork({ name: network, labels: labelsOf(ours.id, network) });
  world = { runtime, installation: ours.id, foreign: theirs.id, imageId, network };
});

afterAll(async () => {
  await theirs.removeAll();
  await ours.removeAll();
  runtime?.close();
});

runtimeContract(() => world);

describe('Docker Engine', () => {
  it('says which it is', async () => {
    const info = await runtime.info();
    expect(info.version).toMatch(/^\d+\./);
    expect(Number(info.apiVersion.split('.')[1])).toBeGreaterThanOrEqual(41);
    expect(info.operatingSystem).not.toBe('');
  });

  it('a follow whose connections break again and again misses no line and repeats none', async () => {
    const socket = await openFaultySocket();
    const cut = openDocker({ host: socket.host, subnetRange });
    const follows = ({ query }: Call) => query.get('follow') === 'true';
    let cuts = 0;
    try {
      const spec = specOf(world, 'for i in $(seq 1 60); do seq 1 100 | sed "s/^/$i-/"; sleep 0.05; done');
      await cut.startContainer(spec);
      const texts: string[] = [];
      const signal = AbortSignal.timeout(28_000);
      for await (const line of cut.readLogs(spec.name, { follow: true, signal })) {
        texts.push(line.text);
        if (texts.length % 700 === 0) cuts += socket.cut(follows);
      }
      const expected = Array.from(
        { length: 6000 },
        (_, at) => `${Math.floor(at / 100) + 1}-${(at % 100) + 1}`,
      );
      expect(texts).toEqual(expected);
      expect(cuts).toBeGreaterThan(3);
    } finally {
      cut.close();
      await socket.close();
    }
  });

  it('two runtimes that ensure one network at once leave one', async () => {
    const others = [1, 2, 3].map(() => openDocker({ host: process.env.DOCKER_HOST, subnetRange }));
    const name = uniqueName('network');
    const spec = { name, labels: labelsOf(ours.id, name) };
    await Promise.allSettled(others.map((other) => other.ensureNetwork(spec)));
    await runtime.ensureNetwork(spec);
    const { networks } = await runtime.inventory(ours.id);
    expect(networks.filter((network) => network.name === name)).toHaveLength(1);
    for (const other of others) other.close();
  });

  it('networks beyond the range are refused with a sentence', async () => {
    const small = openDocker({ host: process.env.DOCKER_HOST, subnetRange: '10.212.7.0/26' });
    const [first, second] = [uniqueName('network'), uniqueName('network')];
    await small.ensureNetwork({ name: first, labels: labelsOf(ours.id, first) });
    const full = small.ensureNetwork({ name: second, labels: labelsOf(ours.id, second) });
    await expect(full).rejects.toThrow('no free subnet');
    small.close();
  });

  it('hears of the starts and ends of its own containers only', async () => {
    const stop = new AbortController();
    const heard: EngineEvent[] = [];
    const listening = (async () => {
      for await (const event of runtime.events(ours.id, stop.signal)) heard.push(event);
    })();
    await until(
      'the engine listens',
      async () => heard.length,
      (count) => count > 0,
    );
    const foreign = specOf(world, 'true');
    await runtime.startContainer({ ...foreign, labels: labelsOf(theirs.id, foreign.name) });
    const spec = specOf(world, 'exit 5');
    await runtime.startContainer(spec);
    await runtime.waitContainer(spec.name, AbortSignal.timeout(15_000));
    await runtime.removeContainer(spec.name, ours.id);
    const actions = () =>
      heard.filter((event) => event.containerName === spec.name).map((event) => event.action);
    await until(
      'the end is heard',
      async () => actions(),
      (seen) => seen.includes('DESTROY'),
    );
    expect(actions().filter((action) => action !== 'OTHER')).toEqual(['START', 'DIE', 'DESTROY']);
    expect(
      heard.find((event) => event.action === 'DIE' && event.containerName === spec.name)?.labels,
    ).toMatchObject(spec.labels);
    expect(heard.some((event) => event.containerName === foreign.name)).toBe(false);
    stop.abort();
    await listening;
  });

  it('a follow through rotated log files misses no line and repeats none', async () => {
    const spec = specOf(world, `seq 1 60000 | sed "s/$/ ${'x'.repeat(400)}/"`);
    await runtime.startContainer(spec);
    const lines = await readAll(world, spec.name, { follow: true });
    const numbers = lines.map((line) => Number(line.text.split(' ')[0]));
    const breaks = numbers.filter((number, at) => number !== (numbers[at - 1] ?? 0) + 1);
    expect(breaks).toEqual([]);
    expect(numbers).toHaveLength(60_000);
  });
});
