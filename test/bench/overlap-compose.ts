// docker-compose as many deploy with it: `up --detach --force-recreate`, which stops, then starts. On the engine that all share, under
// a project name of its own. Debian has it as package docker-compose; where it isn't installed it is left out.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Docker from 'dockerode';
import { untilAnswered } from '../load/world.ts';
import { appWords, type Contestant, type Images, limits } from './overlap-contest.ts';
import { startPeerProxy } from './overlap-proxy.ts';

const run = promisify(execFile);
const program = 'docker-compose';

export async function openCompose(images: Images, abrupt: boolean): Promise<Contestant | string> {
  try {
    await run(program, ['version', '--short']);
  } catch {
    return 'docker-compose is not installed';
  }
  const directory = await mkdtemp(join(tmpdir(), 'berth-compose-'));
  const project = `berth-bench-${randomBytes(4).toString('hex')}`;
  const docker = new Docker();
  const network = await docker.createNetwork({
    Name: project,
    IPAM: { Driver: 'default', Config: [{ Subnet: '10.213.64.0/26' }] },
  });
  const file = join(directory, 'docker-compose.yml');
  await writeFile(file, JSON.stringify(composeFile(images.app, project, abrupt)));
  const compose = (...words: string[]) => run(program, ['--project-name', project, '--file', file, ...words]);
  const up = (...words: string[]) => compose('up', '--detach', '--scale', 'web=2', ...words);
  let closeProxy = async (): Promise<void> => {};
  const close = async (): Promise<void> => {
    await closeProxy();
    await compose('down', '--timeout', '5');
    await network.remove();
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await up();
    const labels = { 'berth.bench': project };
    const proxy = await startPeerProxy(docker, {
      imageId: images.haproxy,
      labels,
      networks: [project],
      servers: 'web',
    });
    closeProxy = proxy.close;
    await untilAnswered(proxy.way);
    const redeploy = async (): Promise<void> => {
      await up('--force-recreate');
      await untilAnswered(proxy.way);
    };
    return { name: 'docker-compose up --force-recreate', way: proxy.way, within: [], redeploy, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** JSON is YAML too. */
function composeFile(image: string, network: string, abrupt: boolean): object {
  return {
    version: '2.4',
    services: {
      web: {
        image,
        command: appWords(abrupt),
        init: true,
        stop_grace_period: '30s',
        mem_limit: limits.memoryBytes,
        cpus: limits.cpuMillis / 1_000,
      },
    },
    networks: { default: { external: { name: network } } },
  };
}
