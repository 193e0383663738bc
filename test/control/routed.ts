// Environments with their service proxy, for tests of what is routed: nothing runs, and what a redeploy would have seen
// running is written down as such.
import type { Control } from '../../src/control/control.ts';
import { createEnvironment } from '../../src/control/environments.ts';
import { newId } from '../../src/ids.ts';
import type { Caller } from '../../src/model/callers.ts';
import { compareSpecs, type SpecChange } from '../../src/model/spec.ts';
import { updateRedeploy } from '../../src/postgres/redeploys.ts';
import { wantedSpec } from '../../src/postgres/request-redeploy.ts';
import { listServicesOf, type ServiceRow, updateService } from '../../src/postgres/services.ts';
import { secrets } from '../../src/postgres/tables/secrets.ts';
import { certificates } from '../../src/postgres/tables/sites.ts';

export interface Routed {
  readonly environmentId: string;
  readonly namespace: string;
  readonly proxy: string;
  /** Ids of its services by their labels. */
  readonly ids: Readonly<Record<string, string>>;
}

/** With code services of these labels. */
export async function makeRouted(
  control: Control,
  caller: Caller,
  namespace: string,
  labels: readonly string[] = ['web'],
  kind: 'SANDBOX' | 'PRODUCTION' = 'SANDBOX',
): Promise<Routed> {
  const services = labels.map((label) => ({ type: 'CODE' as const, label }));
  const made = await createEnvironment(control, caller, { name: namespace, namespace, kind, services });
  const { environmentId } = made.ids;
  const rows = await listServicesOf(control.store.db, environmentId);
  const ids = Object.fromEntries(rows.map((row) => [row.label, row.id]));
  return { environmentId, namespace, proxy: ids.proxy ?? '', ids };
}

export async function serviceRow(control: Control, routed: Routed, id = routed.proxy): Promise<ServiceRow> {
  const row = (await listServicesOf(control.store.db, routed.environmentId)).find((each) => each.id === id);
  if (row === undefined) throw new Error('no such service');
  return row;
}

/** As after a redeploy that has succeeded: what is wanted runs, and no redeploy is open. */
export async function deployed(control: Control, routed: Routed): Promise<void> {
  const row = await serviceRow(control, routed);
  const spec = await wantedSpec(control.store.db, row);
  if (spec === undefined) throw new Error('the proxy has no spec');
  await control.store.db.transaction(async (tx) => {
    for (const id of await openRedeploys(control, routed.proxy))
      await updateRedeploy(tx, id, { state: 'SUCCEEDED', endedAt: new Date() });
    await updateService(tx, routed.proxy, { runningSpec: spec });
  });
}

export async function pendingChanges(control: Control, routed: Routed): Promise<SpecChange[]> {
  const row = await serviceRow(control, routed);
  const spec = await wantedSpec(control.store.db, row);
  return spec === undefined ? [] : compareSpecs(row.runningSpec ?? undefined, spec);
}

/** Host → id of the service it would lead to. */
export async function routes(control: Control, routed: Routed): Promise<Record<string, string>> {
  const spec = await wantedSpec(control.store.db, await serviceRow(control, routed));
  return Object.fromEntries((spec?.proxy?.sites ?? []).map((site) => [site.host, site.serviceId]));
}

export async function openRedeploys({ store }: Control, serviceId: string): Promise<string[]> {
  const rows = await store.raw`
    select id from redeploys where service_id = ${serviceId} and state in ('QUEUED', 'RUNNING') order by id`;
  return rows.map((row) => String(row.id));
}

interface Told {
  readonly type: string;
  readonly data: Record<string, unknown>;
  readonly message: string;
  readonly serviceId: string | null;
  readonly redeployId: string | null;
}

/** The events that `work` has written. */
export async function toldBy({ log }: Control, environmentId: string, work: () => Promise<unknown>) {
  const from = (await log.state(environmentId))?.lastSeq ?? 0;
  await work();
  const events = await log.read(environmentId, from, 100, { fromTable: true });
  return events.map(({ type, data, message, serviceId, redeployId }): Told => {
    return { type, data: data as Record<string, unknown>, message, serviceId, redeployId };
  });
}

/** One that is ready, as if it had been brought. */
export async function addCertificate(
  { store }: Control,
  { environmentId, proxy }: Routed,
  hosts: readonly string[],
): Promise<{ certificateId: string }> {
  const [certificateId, secretId] = [newId(), newId()];
  const empty = Buffer.alloc(0);
  const secret = { id: secretId, serviceId: proxy, name: `certificate ${certificateId}`, keyId: 'none' };
  await store.db.insert(secrets).values({ ...secret, wrappedKey: empty, sealed: empty });
  await store.db.insert(certificates).values({
    ...{ id: certificateId, environmentId, name: 'Made', source: 'UPLOADED', state: 'READY' },
    ...{ hosts: [...hosts], secretId, fingerprint: 'c0ffee' },
  });
  return { certificateId };
}
