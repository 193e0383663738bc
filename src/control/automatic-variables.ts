// Variables the platform sets by itself, kept as rows like any other so that specs and lists know one kind only: a
// service's own place, and the addresses of the databases and caches beside it.
import { randomBytes } from 'node:crypto';
import { newId } from '../ids.ts';
import { webPort } from '../model/service-types/code.ts';
import type { Credentials } from '../model/service-types/engine-kind.ts';
import { getEngineKind } from '../model/service-types/index.ts';
import type { Change } from '../postgres/change.ts';
import type { EnvironmentRow } from '../postgres/environments.ts';
import { lockServicesOf, type ServiceRow, updateService } from '../postgres/services.ts';
import {
  insertSecret,
  listVariables,
  openSecrets,
  removeVariables,
  saveVariables,
  type VariableHome,
} from '../postgres/variables.ts';
import type { Control } from './control.ts';

const platform = 'Berth';

/** Random, and safe in a URL. */
export async function makeCredentials(
  control: Control,
  change: Change,
  home: VariableHome,
  service: ServiceRow,
): Promise<void> {
  const credentials: Credentials = {
    user: 'berth',
    password: randomBytes(24).toString('hex'),
    database: 'berth',
  };
  const secretId = newId();
  const item = { name: '.credentials', secretId, value: JSON.stringify(credentials) };
  await insertSecret(change.tx, control.vault, home, item);
  await updateService(change.tx, service.id, { credentialsId: secretId });
}

/** Brings the automatic variables of every service of the environment up to date. A name set by a user stays the user's. */
export async function refreshAutomaticVariables(
  control: Control,
  change: Change,
  environment: EnvironmentRow,
): Promise<void> {
  const { tx } = change;
  // Locked: a name that a user sets in this very moment is seen, and stays the user's.
  const services = (await lockServicesOf(tx, environment.id)).filter(
    (each) => each.deletionRequestedAt === null,
  );
  const credentials = await openSecrets(
    tx,
    control.vault,
    services.flatMap((service) => service.credentialsId ?? []),
  );
  const engines = services.flatMap((service): Engine[] => {
    const text = credentials.get(service.credentialsId ?? '');
    return text === undefined ? [] : [{ service, credentials: JSON.parse(text) as Credentials }];
  });
  const shared = addressesOf(engines);
  const present = await listVariables(
    tx,
    services.map((service) => service.id),
  );
  for (const service of services) {
    const wanted = { ...ownOf(environment, service, engines), ...(service.type === 'CODE' ? shared : {}) };
    const rows = present.get(service.id) ?? [];
    const users = new Set(rows.filter((row) => row.source === 'USER').map((row) => row.name));
    const items = Object.entries(wanted)
      .filter(([name]) => !users.has(name))
      .map(([name, value]) => ({ name, value, source: 'AUTOMATIC' as const, secretId: newId() }));
    const gone = rows.filter((row) => row.source === 'AUTOMATIC' && !Object.hasOwn(wanted, row.name));
    const home = {
      organizationId: environment.organizationId,
      environmentId: environment.id,
      serviceId: service.id,
    };
    const set = await saveVariables(tx, control.vault, home, items, platform);
    const unset = await removeVariables(
      tx,
      service.id,
      gone.map((row) => row.name),
    );
    if (rows.length > 0 && set.length + unset.length > 0) await tell(change, service, set, unset);
  }
}

/** A service that was there before: its clients see that it has changed. */
async function tell(
  change: Change,
  service: ServiceRow,
  set: readonly string[],
  unset: readonly string[],
): Promise<void> {
  await updateService(change.tx, service.id, {});
  change.emit({
    environmentId: service.environmentId,
    serviceId: service.id,
    type: 'VARIABLES_CHANGED',
    data: { set, unset },
    message: `Automatic variables of ${service.label} follow the services beside it: ${[...set, ...unset].join(', ')}. They take effect with its next redeploy.`,
  });
}

interface Engine {
  readonly service: ServiceRow;
  readonly credentials: Credentials;
}

function ownOf(
  environment: EnvironmentRow,
  service: ServiceRow,
  engines: readonly Engine[],
): Record<string, string> {
  const place = { BERTH_ENVIRONMENT: environment.namespace, BERTH_SERVICE: service.label };
  if (service.type === 'CODE') return { ...place, PORT: String(webPort) };
  const engine = engines.find((each) => each.service.id === service.id);
  if (engine === undefined || service.runtime === null) return place;
  return { ...place, ...getEngineKind(service.runtime).ownVariables(engine.credentials) };
}

/** Oldest first: the first database and the first of each runtime give the customary names, which no label takes. */
function addressesOf(engines: readonly Engine[]): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const { service, credentials } of engines) {
    const kind = getEngineKind(service.runtime ?? '');
    const url = kind.url(service.dnsName, credentials);
    if (kind.type === 'DATABASE') variables.DATABASE_URL ??= url;
    for (const [name, value] of Object.entries(kind.customaryVariables(service.dnsName, credentials)))
      variables[name] ??= value;
  }
  for (const { service, credentials } of engines) {
    const name = `${service.label.toUpperCase().replaceAll('-', '_')}_URL`;
    variables[name] ??= getEngineKind(service.runtime ?? '').url(service.dnsName, credentials);
  }
  return variables;
}
