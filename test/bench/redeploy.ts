// How long a redeploy takes against the same containers replaced by plain dockerode calls, all in parallel: stop, then
// create, start and connect until each answers. Rounds of both alternate in one run. Neither's removing of the stopped
// ones is in its time, and each round waits until the other's is done.
import { setTimeout as sleep } from 'node:timers/promises';
import { probe } from '../../src/checks/probe.ts';
import { redeploySelection, streamEvents } from '../../src/control/event-stream.ts';
import { redeployService } from '../../src/control/redeploy.ts';
import { type BenchWorld, makeCodeService, median, removeEnvironment, webCommand } from './support.ts';

const rounds = 15;

export async function benchRedeploy(world: BenchWorld, say: (line: string) => void): Promise<void> {
  say('Redeploy of N jobs, milliseconds (median of rounds, both in turn); goal: ratio at most 1.15');
  for (const jobs of [1, 3, 10]) {
    const made = await makeCodeService(world, jobs);
    const { serviceId } = made;
    await redeploy(world, serviceId);
    const plain = await openPlain(world, jobs);
    const ours: number[] = [];
    const theirs: number[] = [];
    for (let round = 0; round < rounds; round++) {
      ours.push(await timed(() => redeploy(world, serviceId)));
      await cleared(world, serviceId, jobs);
      theirs.push(await timed(() => plain.replace()));
      await plain.clear();
    }
    await plain.close();
    await removeEnvironment(world, made);
    const [a, b] = [median(ours), median(theirs)];
    say(`  N=${jobs}: Berth ${a.toFixed(0)}, dockerode ${b.toFixed(0)}, ratio ${(a / b).toFixed(2)}`);
  }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

/** From the mutation to the moment a subscriber sees its end. */
async function redeploy({ berth: { control }, caller }: BenchWorld, serviceId: string): Promise<void> {
  const { ids } = await redeployService(control, caller, { serviceId });
  const subject = await redeploySelection(control, caller, ids.redeployId);
  const signal = AbortSignal.timeout(120_000);
  for await (const item of streamEvents(control, { ...subject, begin: 'FIRST' }, signal)) {
    if (item.kind !== 'ITEM' || item.item.type !== 'REDEPLOY_ENDED') continue;
    const { state } = item.item.data as { state: string };
    if (state !== 'SUCCEEDED') throw new Error(item.item.message);
  }
}

/** The old containers are gone, and what else was left to do has had its time. */
async function cleared({ docker }: BenchWorld, serviceId: string, jobs: number): Promise<void> {
  const filters = { label: [`berth.service=${serviceId}`] };
  while ((await docker.listContainers({ all: true, filters })).length > jobs) await sleep(50);
  await sleep(300);
}

async function openPlain({ docker, imageId }: BenchWorld, jobs: number) {
  const network = await docker.createNetwork({
    Name: `berth-bench-${jobs}-${process.pid}`,
    IPAM: { Driver: 'default', Config: [{ Subnet: `10.213.${jobs}.0/26` }] },
  });
  let old: string[] = [];
  let counter = 0;
  async function startOne(): Promise<string> {
    counter += 1;
    const name = `berth-bench-${process.pid}-${jobs}-${counter}`;
    const container = await docker.createContainer({
      name,
      Image: imageId,
      Cmd: ['/bin/sh', '-c', webCommand],
      HostConfig: {
        Init: true,
        NetworkMode: network.id,
        Memory: 32 * 1024 * 1024,
        MemorySwap: 32 * 1024 * 1024,
        CpuQuota: 20_000,
        CpuPeriod: 100_000,
        PidsLimit: 512,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges'],
        LogConfig: { Type: 'local', Config: { 'max-size': '10m', 'max-file': '3' } },
      },
    });
    await container.start();
    const { NetworkSettings } = await container.inspect();
    const address = Object.values(NetworkSettings.Networks)[0]?.IPAddress ?? '';
    while (!(await probe(address, { port: 8080, handshake: undefined }, 1_000)).healthy) await sleep(25);
    return name;
  }
  let gone: string[] = [];
  async function replace(): Promise<void> {
    gone = old;
    await Promise.all(gone.map((name) => docker.getContainer(name).stop({ t: 30 })));
    old = await Promise.all(Array.from({ length: jobs }, startOne));
  }
  async function clear(): Promise<void> {
    await Promise.all(gone.map((name) => docker.getContainer(name).remove()));
    await sleep(300);
  }
  await replace();
  return {
    replace,
    clear,
    close: async () => {
      await Promise.all(old.map((name) => docker.getContainer(name).remove({ force: true })));
      await network.remove();
    },
  };
}
