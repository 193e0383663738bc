// What is left on the engine of services and environments that are deleted: a start whose answer was lost while everything
// was cleared away, a network that was made sure once more. Nobody attends to these any more, so the comparison removes
// them; a volume that was made once more is empty. Only what the database knows as its own by id; whatever merely bears its labels is left alone.
import { containerName, networkName } from '../model/jobs.ts';
import { listEnvironmentsById } from '../postgres/environments.ts';
import { listJobsById } from '../postgres/jobs.ts';
import { listServicesById, listVolumesRemoved } from '../postgres/services.ts';
import { type ContainerView, type Inventory, labels } from '../runtime/runtime.ts';
import type { Deps } from './deps.ts';

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** `containers`: those that no running job is known for. */
export async function removeStrays(deps: Deps, { containers, networks, volumes }: Inventory): Promise<void> {
  const { store, runtime, installation } = deps;
  for (const name of await strayContainers(deps, containers))
    await alone(deps, name, () => runtime.removeContainer(name, installation.id));
  for (const name of await strayNetworks(deps, networks))
    await alone(deps, name, () => runtime.removeNetwork(name, installation.id));
  for (const name of await listVolumesRemoved(
    store.db,
    volumes.map((each) => each.name),
  ))
    await alone(deps, name, () => runtime.removeVolume(name, installation.id));
}

async function strayContainers(
  { store }: Deps,
  containers: readonly ContainerView[],
): Promise<readonly string[]> {
  const services = await listServicesById(store.db, idsOf(containers, labels.service));
  const deleted = new Set(services.flatMap(({ id, deletedAt }) => (deletedAt === null ? [] : [id])));
  const left = containers.filter(({ labels: own }) => deleted.has(own[labels.service] ?? ''));
  if (left.length === 0) return [];
  const jobs = new Map(
    (await listJobsById(store.db, idsOf(left, labels.job))).map((job) => [containerName(job.id), job]),
  );
  const isJobs = ({ id, name, labels: own }: ContainerView) => {
    const job = jobs.get(name);
    if (job === undefined || job.serviceId !== own[labels.service]) return false;
    return job.containerId === null || job.containerId === id;
  };
  return left.filter(isJobs).map(({ name }) => name);
}

async function strayNetworks({ store }: Deps, networks: Inventory['networks']): Promise<readonly string[]> {
  const environments = await listEnvironmentsById(store.db, idsOf(networks, labels.environment));
  const names = new Set(
    environments.flatMap(({ id, deletedAt }) => (deletedAt === null ? [] : [networkName(id)])),
  );
  return networks.map(({ name }) => name).filter((name) => names.has(name));
}

function idsOf(things: readonly { readonly labels: Readonly<Record<string, string>> }[], label: string) {
  return [...new Set(things.map((thing) => thing.labels[label] ?? ''))].filter((id) => uuid.test(id));
}

/** What can't be removed now holds up nothing else; the next comparison finds it again. */
async function alone(deps: Deps, name: string, work: () => Promise<void>): Promise<void> {
  await work().catch((error: unknown) => {
    deps.logger.warn({ err: error, name }, 'what is left of something deleted could not be removed yet');
  });
}
