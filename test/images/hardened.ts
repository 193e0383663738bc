// Runs a made image the way Berth runs its containers: hardened, as the image's own user, on a network of its own, with a
// named volume; and asks facts again until they hold or the bound is reached.
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { type Images, openImages } from '../../src/images/obtain.ts';
import { openDocker } from '../../src/runtime/docker.ts';
import { type ContainerSpec, labels, type Runtime } from '../../src/runtime/runtime.ts';
import { newInstallation } from '../support/engine.ts';

/** Kept between runs: made images and fetched packages are a cache. */
export const cacheDirectory = join(tmpdir(), `berth-test-images-${userInfo().uid}`);

export interface Bench {
  readonly runtime: Runtime;
  readonly images: Images;
  /** The image's id, made if need be. */
  image(reference: string): Promise<string>;
  volume(): Promise<string>;
  /** Starts and answers with name and address. */
  start(spec: HardenedSpec): Promise<{ name: string; address: string }>;
  stop(name: string, graceSeconds?: number): Promise<number | undefined>;
  close(): Promise<void>;
}

export type HardenedSpec = Pick<ContainerSpec, 'imageId'> & Partial<ContainerSpec>;

/** What an official image's start needs to get from root to its user; ours starts as its user and needs none. */
export const forDatabases = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'SETGID', 'SETUID'];
const mebibyte = 1024 * 1024;

export async function openBench(): Promise<Bench> {
  const installation = newInstallation();
  const runtime = openDocker({ host: process.env.DOCKER_HOST, subnetRange: '10.213.0.0/16' });
  const images = openImages(runtime, { cacheDirectory });
  const own = { [labels.installation]: installation.id };
  const network = `berth-${installation.id}`;
  const newName = (): string => `berth-${installation.id}-${randomBytes(4).toString('hex')}`;
  await runtime.ensureNetwork({ name: network, labels: own });
  return {
    runtime,
    images,
    image: async (reference) =>
      (await images.obtain(reference, () => {}, AbortSignal.timeout(120_000))).imageId,
    async volume() {
      const name = newName();
      await runtime.ensureVolume({ name, labels: own });
      return name;
    },
    async start(spec) {
      const name = newName();
      const view = await runtime.startContainer({
        name,
        labels: own,
        environment: {},
        network,
        aliases: [],
        memoryBytes: 512 * mebibyte,
        cpuMillis: 2000,
        processLimit: 200,
        capabilities: [],
        readOnlyRoot: true,
        tmpfs: { '/tmp': 64 * mebibyte, '/run': 16 * mebibyte },
        ...spec,
      });
      return { name, address: view.address ?? '' };
    },
    stop: async (name, graceSeconds = 30) =>
      (await runtime.stopContainer(name, installation.id, graceSeconds))?.exitCode,
    async close() {
      await installation.removeAll();
      runtime.close();
    },
  };
}

/** Asks until there is an answer; the last fault is told when there is none in time. */
export async function eventually<T>(ask: () => Promise<T>, seconds = 40): Promise<T> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    try {
      return await ask();
    } catch (fault) {
      if (performance.now() > end)
        throw new Error(`Not within ${seconds} s: ${String(fault)}`, { cause: fault });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Sends text over TCP and answers with what came until it matches. */
export function converse(address: string, port: number, send: string, until: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, timeout: 3000 });
    let heard = '';
    socket.on('connect', () => socket.write(send));
    socket.on('data', (bytes) => {
      heard += bytes.toString('latin1');
      if (until.test(heard)) socket.destroy();
    });
    socket.on('timeout', () => socket.destroy(new Error(`Silence after "${heard}"`)));
    socket.on('error', reject);
    socket.on('close', () => (until.test(heard) ? resolve(heard) : reject(new Error(`Heard "${heard}"`))));
  });
}
