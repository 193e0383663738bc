// What an environment's monitor is to run: the checks of services whose jobs are to run, with where and by which credentials.
// Its revision grows whenever it is another than before; a check that is made no longer forgets its state.
import { createHash } from 'node:crypto';
import { checkTypes } from '../checks/index.ts';
import type { CheckTarget, Configuration, ConfiguredCheck } from '../model/monitoring/agent.ts';
import { webPort } from '../model/service-types/code.ts';
import type { Credentials } from '../model/service-types/engine-kind.ts';
import { findEngineKind } from '../model/service-types/index.ts';
import { serviceProxy } from '../model/service-types/service-proxy.ts';
import { change } from '../postgres/change.ts';
import { waitForEnvironment } from '../postgres/environments.ts';
import { type CheckedService, listCheckedServices, lockStream, updateStream } from '../postgres/monitors.ts';
import { openSecrets } from '../postgres/variables.ts';
import type { Deps } from './deps.ts';
import { leaveUnchecked } from './unchecked.ts';

/** Whether the environment's monitor makes it; others are made by the control plane. */
export function isMonitors({ check, active }: CheckedService): boolean {
  return active && !check.paused && checkTypes.has(check.type);
}

/** As it is wanted now, with its revision kept. */
export async function wantedConfiguration(deps: Deps, environmentId: string): Promise<Configuration> {
  const found = await listCheckedServices(deps.store.db, environmentId);
  const made = found.filter(isMonitors);
  const checks = await configuredChecks(deps, made);
  const digest = createHash('sha256').update(JSON.stringify(checks)).digest('hex');
  const { value: revision } = await change(deps, async (current) => {
    const { tx } = current;
    await waitForEnvironment(tx, environmentId);
    const stream = await lockStream(tx, environmentId);
    if (stream === undefined) throw new Error(`environment ${environmentId} has no result stream`);
    const gone = found.filter(({ active }) => !active);
    await leaveUnchecked(
      current,
      environmentId,
      gone.map(({ check }) => check),
    );
    if (stream.configurationDigest === digest) return stream.configurationRevision;
    const next = stream.configurationRevision + 1;
    await updateStream(tx, environmentId, { configurationRevision: next, configurationDigest: digest });
    return next;
  });
  return { revision, checks };
}

export async function configuredChecks(
  { store, vault }: Deps,
  made: readonly CheckedService[],
): Promise<ConfiguredCheck[]> {
  const secrets = await openSecrets(store.db, vault, [
    ...new Set(made.flatMap(({ credentialsId }) => credentialsId ?? [])),
  ]);
  return made.map((each) => {
    const { id, type, settings, thresholds, intervalSeconds, timeoutSeconds } = each.check;
    const text = secrets.get(each.credentialsId ?? '');
    const target = targetOf(each, text === undefined ? undefined : (JSON.parse(text) as Credentials));
    return { id, type, target, settings, thresholds, intervalSeconds, timeoutSeconds };
  });
}

function targetOf(
  { check, dnsName, type, runtime }: CheckedService,
  credentials: Credentials | undefined,
): CheckTarget {
  const kind = findEngineKind(runtime);
  const standard = kind?.port ?? (type === 'SERVICE_PROXY' ? serviceProxy.ports.http : webPort);
  const place = { host: dnsName, port: check.port ?? standard };
  if (credentials === undefined || check.type !== kind?.check) return place;
  return { ...place, ...signIn(kind.url(dnsName, credentials)) };
}

/** As other services sign in: some engines have no users, some no databases. */
function signIn(address: string): Pick<CheckTarget, 'user' | 'password' | 'database'> {
  if (!URL.canParse(address)) return {};
  const { username, password, pathname } = new URL(address);
  const parts = { user: username, password, database: pathname.replace(/^\//, '') };
  const given = Object.entries(parts).filter(([, each]) => each !== '');
  return Object.fromEntries(given.map(([name, each]) => [name, decodeURIComponent(each)]));
}
