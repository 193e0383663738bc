// Networks on Docker Engine: one bridge each, with a small subnet of its own. The engine allows two networks of one name, so
// ensuring looks again after creating, and whoever finds two of ours keeps the elder.
import type Docker from 'dockerode';
import { type Engine, isStatus, pathOf } from './docker-call.ts';
import { type SubnetRange, subnetsFor } from './docker-subnets.ts';
import { assertOurs } from './docker-view.ts';
import { EngineFault, labels, type NetworkSpec } from './runtime.ts';

/** So many subnets are tried before the range counts as full. */
const subnetAttempts = 64;

export async function ensureNetwork(engine: Engine, spec: NetworkSpec, range: SubnetRange): Promise<void> {
  const operation = `ensure network ${spec.name}`;
  const installation = spec.labels[labels.installation] ?? '';
  const there = await findOurs(engine, spec.name, installation);
  if (there.length === 1) return;
  if (there.length === 0) await createNetwork(engine, spec, range);
  const found = await findOurs(engine, spec.name, installation);
  if (found.length > 1) await keepOne(engine, found);
  // The engine may call a name taken that is free again by then.
  if (found.length === 0) throw new EngineFault(operation, `${operation}: it is not there.`);
}

/** The engine takes the first address of the subnet, and doesn't say so before the first container is there. */
export async function gatewayOf(engine: Engine, name: string): Promise<string> {
  const operation = `look at network ${name}`;
  const path = pathOf`/networks/${name}`;
  const deadlineMs = engine.deadlines.look;
  const found = await engine.ask<Docker.NetworkInspectInfo>({ operation, method: 'GET', path, deadlineMs });
  const [config] = found.IPAM?.Config ?? [];
  const first = /^(\d+\.\d+\.\d+)\.(\d+)\/\d+$/.exec(config?.Subnet ?? '');
  const gateway = config?.Gateway ?? (first && `${first[1]}.${Number(first[2]) + 1}`);
  if (gateway) return gateway;
  throw new EngineFault(operation, `${operation}: it has no subnet that can be understood.`);
}

/** One that containers run in stays, and that is an EngineFault (403). */
export async function removeNetwork(engine: Engine, name: string, installation: string): Promise<void> {
  for (const network of await findOurs(engine, name, installation)) await remove(engine, network);
}

export async function listNetworks(
  engine: Engine,
  installation: string,
): Promise<{ name: string; labels: Record<string, string> }[]> {
  const found = await list(engine, { label: [`${labels.installation}=${installation}`] });
  return found.map((network) => ({ name: network.Name, labels: network.Labels ?? {} }));
}

/** Those of exactly this name; ForeignObject as soon as one isn't ours, for a name can't be told from its like. */
async function findOurs(
  engine: Engine,
  name: string,
  installation: string,
): Promise<Docker.NetworkInspectInfo[]> {
  // The engine's filter takes parts of names too.
  const found = (await list(engine, { name: [name] })).filter((network) => network.Name === name);
  for (const network of found) assertOurs(name, network.Labels, installation);
  return found;
}

async function createNetwork(engine: Engine, spec: NetworkSpec, range: SubnetRange): Promise<void> {
  const operation = `create network ${spec.name}`;
  for (const subnet of subnetsFor(spec.name, range, subnetAttempts)) {
    try {
      await engine.ask({
        operation,
        method: 'POST',
        path: '/networks/create',
        body: {
          Name: spec.name,
          CheckDuplicate: true,
          Driver: 'bridge',
          IPAM: { Driver: 'default', Config: [{ Subnet: subnet }] },
          Labels: spec.labels,
        },
        deadlineMs: engine.deadlines.change,
      });
      return;
    } catch (cause) {
      // Another caller was quicker; whose it is shows when it is looked at.
      if (isStatus(cause, 409)) return;
      if (!(cause instanceof EngineFault && cause.statusCode !== undefined && /overlap/i.test(cause.message)))
        throw cause;
    }
  }
  throw new EngineFault(operation, `${operation}: no free subnet was found in the range for networks.`);
}

/** Every caller keeps the same one: the elder, unless a container already runs in the other. */
async function keepOne(engine: Engine, found: readonly Docker.NetworkInspectInfo[]): Promise<void> {
  const ordered = found.toSorted((a, b) => a.Created.localeCompare(b.Created) || a.Id.localeCompare(b.Id));
  const [elder, ...others] = ordered;
  for (const other of others) {
    try {
      await remove(engine, other);
    } catch (cause) {
      if (!isStatus(cause, 403) || !elder) throw cause;
      await remove(engine, elder);
    }
  }
}

async function remove(engine: Engine, network: Docker.NetworkInspectInfo): Promise<void> {
  await engine.askIfThere({
    operation: `remove network ${network.Name}`,
    method: 'DELETE',
    path: pathOf`/networks/${network.Id}`,
    deadlineMs: engine.deadlines.remove,
  });
}

function list(engine: Engine, filters: object): Promise<Docker.NetworkInspectInfo[]> {
  return engine.ask<Docker.NetworkInspectInfo[]>({
    operation: 'list networks',
    method: 'GET',
    path: '/networks',
    query: { filters },
    deadlineMs: engine.deadlines.look,
  });
}
