// Who sees what becomes of a site while its control plane dies: visitors, the watch on what HAProxy shows, and a stranger in
// the same network that copies all labels of a job and answers otherwise, whom nobody may be sent to.
import { randomBytes } from 'node:crypto';
import Docker from 'dockerode';
import { containerName, networkName } from '../../src/model/jobs.ts';
import { addressOf, runningJobs, type Site, sendVisitors } from '../support/site.ts';
import { watchSite } from '../support/site-watch.ts';
import { type Service, until, type World } from '../support/world.ts';
import type { Witness } from './paths.ts';

const fewestAnswers = 20;

/** `maySee`: what visitors may be answered beside the good; where that is nothing, rotation may not shrink either. */
export async function witness(
  world: World,
  site: Site,
  maySee: readonly string[],
  scale: number,
): Promise<Witness> {
  const load = sendVisitors(await addressOf(world, site), site.host);
  const watch = watchSite(world, site, { scale, least: maySee.length === 0 ? scale : 0 });
  return {
    end: async () => {
      const goodAnswers = async () => load.visits.seen['200'] ?? 0;
      await until('visitors get answers', goodAnswers, (count) => count >= fewestAnswers).catch(() => {});
      const [{ seen, failures }, { looks, breaches }] = await Promise.all([load.end(), watch.end()]);
      const bad = Object.keys(seen).filter((status) => status !== '200' && !maySee.includes(status));
      const told = failures.filter((failure) => bad.some((status) => failure.endsWith(` ${status}`)));
      return [
        ...breaches,
        ...bad.map((status) => `S1 visitors saw ${status} ${seen[status]} times: ${told.slice(0, 5)}`),
        ...((seen['200'] ?? 0) < fewestAnswers ? [`S1 only ${seen['200'] ?? 0} good answers`] : []),
        ...(looks < 5 ? [`S1 was looked at only ${looks} times`] : []),
      ];
    },
  };
}

/** Goes with the world's installation, whose label it bears. */
export async function letInStranger(world: World, { serviceId, environmentId }: Service): Promise<void> {
  const engine = new Docker();
  const [job] = await runningJobs(world, serviceId);
  const { Config } = await engine.getContainer(containerName(job?.id ?? '')).inspect();
  const network = networkName(environmentId);
  const container = await engine.createContainer({
    name: `stranger-${randomBytes(5).toString('hex')}`,
    Image: world.imageId,
    Cmd: ['sh', '-c', 'echo stranger > /tmp/index.html && exec httpd -f -p 8080 -h /tmp'],
    Labels: Config.Labels,
    HostConfig: { NetworkMode: network },
    NetworkingConfig: { EndpointsConfig: { [network]: { Aliases: ['web'] } } },
  });
  await container.start();
}
