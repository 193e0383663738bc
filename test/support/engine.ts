// An installation of one's own on a Docker Engine that others share: its random id goes into the label of every object a test makes,
// and at the end exactly the objects with that label are removed. Knows the engine directly, because a test's broom must
// not depend on what is being tested.
import { randomBytes } from 'node:crypto';
import Docker from 'dockerode';
import { labels } from '../../src/runtime/runtime.ts';

export interface TestInstallation {
  readonly id: string;
  /** Removes containers, networks, volumes and images of this installation; answers with what there was. */
  removeAll(): Promise<Remains>;
  /** What of this installation is on the engine, running or not. */
  remains(): Promise<Remains>;
}

export interface Remains {
  readonly containers: readonly string[];
  readonly networks: readonly string[];
  readonly volumes: readonly string[];
  readonly images: readonly string[];
}

/** `host`: the Unix socket of another engine, as a value of DOCKER_HOST. */
export function newInstallation(host?: string): TestInstallation {
  const id = `test-${randomBytes(6).toString('hex')}`;
  const engine = new Docker(host === undefined ? {} : { socketPath: host.replace('unix://', '') });
  return {
    id,
    remains: () => remains(engine, id),
    removeAll: async () => {
      const found = await remains(engine, id);
      await Promise.all(
        found.containers.map((name) => gone(engine.getContainer(name).remove({ force: true, v: true }))),
      );
      await Promise.all(found.networks.map((name) => gone(engine.getNetwork(name).remove())));
      await Promise.all(found.volumes.map((name) => gone(engine.getVolume(name).remove())));
      for (const image of found.images) await gone(engine.getImage(image).remove({ force: true }));
      return found;
    },
  };
}

async function remains(engine: Docker, id: string): Promise<Remains> {
  const filters = { label: [`${labels.installation}=${id}`] };
  const [containers, networks, volumes, images] = await Promise.all([
    engine.listContainers({ all: true, filters }),
    engine.listNetworks({ filters }),
    engine.listVolumes({ filters }),
    engine.listImages({ filters }),
  ]);
  return {
    containers: containers.map((one) => one.Id),
    networks: networks.map((one) => one.Id),
    volumes: (volumes.Volumes ?? []).map((one) => one.Name),
    images: images.map((one) => one.Id),
  };
}

/** Another broom, or the code under test, may have been quicker. */
async function gone(removal: Promise<unknown>): Promise<void> {
  try {
    await removal;
  } catch (fault) {
    if (!(fault instanceof Error && 'statusCode' in fault && [404, 409].includes(Number(fault.statusCode))))
      throw fault;
  }
}
