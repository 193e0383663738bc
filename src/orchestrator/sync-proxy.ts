// Bringing a running proxy to the rotation that is wanted: first what it would start from, so that its own restart brings
// back the same, then its memory through the runtime API, then the record. Only the holder of the proxy's service does this,
// so no two ever tell a proxy different things.

import { containerName } from '../model/jobs.ts';
import { drainSeconds } from '../model/overlap.ts';
import { changedJobs, changedServices, type ProxyRotation } from '../model/rotation.ts';
import type { ProxySpec } from '../model/sites.ts';
import type { Change } from '../postgres/change.ts';
import type { JobRow } from '../postgres/jobs.ts';
import { findOpenRedeploys } from '../postgres/redeploys.ts';
import { drainFromNow, listProxies, readRotation, saveApplied } from '../postgres/rotation.ts';
import { listServicesById, markDue } from '../postgres/services.ts';
import { certificateFile, rotationFiles } from '../proxy/configuration.ts';
import { owner, ports } from '../proxy/layout.ts';
import { rotationCommands } from '../proxy/rotation.ts';
import type { RuntimeApi } from '../proxy/runtime-api.ts';
import { assertHeld, type Deps, type Hold, type Outcome, perform, write } from './deps.ts';
import { openCertificates, publicSecurePort } from './proxy-start.ts';
import type { Situation } from './situation.ts';

export function syncProxy(hold: Hold, _situation: Situation, job: JobRow): Promise<Outcome> {
  const { deps } = hold;
  const effect = async () => {
    const wanted = await readRotation(deps.store.db, job.environmentId);
    await noteDoubt(hold, job, wanted);
    await apply(hold, job, wanted);
    return wanted;
  };
  return perform(hold, 'SYNC_PROXY', effect, async (change, wanted) => {
    await recordSynced(change, job, wanted);
    return undefined;
  });
}

/**
 * One that has come up is told what is wanted by now before anybody is led to it: it started from what was wanted then. All
 * that it has counts as doubtful until it is told.
 */
export async function syncStarted(hold: Hold, job: JobRow): Promise<ProxyRotation> {
  const wanted = await readRotation(hold.deps.store.db, job.environmentId);
  await apply(hold, job, wanted);
  return wanted;
}

export async function recordSynced(change: Change, job: JobRow, wanted: ProxyRotation): Promise<void> {
  await saveApplied(change.tx, job.id, wanted);
  await tell(change, job, wanted);
}

/** What is wanted may become what it was before again while it is being told, or when we are gone. */
async function noteDoubt(hold: Hold, { id, applied }: JobRow, wanted: ProxyRotation): Promise<void> {
  if (applied === null) return;
  const doubtful = changedServices(applied, wanted);
  await write(hold, (change) => saveApplied(change.tx, id, { ...applied, doubtful }));
}

async function apply(hold: Hold, job: JobRow, rotation: ProxyRotation): Promise<void> {
  const { runtime, installation } = hold.deps;
  const spec = job.spec?.proxy;
  if (spec == null) throw new Error(`the proxy's job ${job.id} has no sites`);
  const files = rotationFiles({ spec, rotation, publicSecurePort: publicSecurePort(hold.deps) });
  const renewed = await renewedCertificates(hold.deps, job, spec, rotation);
  const fresh = [...renewed].map(([id, pem]) => certificateFile(id, pem));
  assertHeld(hold);
  await runtime.putFiles(containerName(job.id), installation.id, [...files, ...fresh], owner);
  const api = channelTo(hold.deps, job);
  for (const [id, pem] of renewed) {
    assertHeld(hold);
    await api.setCertificate(id, pem);
  }
  const commands = rotationCommands(await api.showRotation(), rotation, spec);
  await api.apply(commands, () => assertHeld(hold));
}

/** Those it serves that have become others since it was last told; of one that is deleted it keeps what it has. */
function renewedCertificates(
  deps: Deps,
  { applied }: JobRow,
  { certificates }: ProxySpec,
  wanted: ProxyRotation,
): Promise<Map<string, string>> {
  const others = certificates.filter((id) => {
    const fingerprint = wanted.certificates[id];
    return fingerprint !== undefined && fingerprint !== applied?.certificates[id];
  });
  return openCertificates(deps, others);
}

export function channelTo(
  { controlKeys, openRuntimeApi }: Deps,
  job: Pick<JobRow, 'id' | 'address'>,
): RuntimeApi {
  if (job.address === null) throw new Error(`the proxy's job ${job.id} has no address`);
  return openRuntimeApi({
    address: job.address,
    port: ports.control,
    serverName: containerName(job.id),
    authorityPem: controlKeys.authority.certificate,
    clientCertificatePem: controlKeys.client.chain,
    clientKeyPem: controlKeys.client.privateKey,
  });
}

/** Told when the last running proxy has it: from then on it is true for every request. */
async function tell(change: Change, proxy: JobRow, wanted: ProxyRotation): Promise<void> {
  const { environmentId } = proxy;
  const others = (await listProxies(change.tx, environmentId)).filter((each) => each.jobId !== proxy.id);
  const changed = changedJobs(proxy.applied, wanted);
  const drained = changed.filter(({ rotation }) => rotation === 'DRAINING').map(({ jobId }) => jobId);
  await drainFromNow(change.tx, drained, drainSeconds);
  const serviceIds = changedServices(proxy.applied, wanted);
  if (serviceIds.length === 0) return;
  // Their rows are held from here on: none of their redeploys ends before this is told.
  await markDue(change.tx, serviceIds);
  change.nudge('due');
  const services = new Map((await listServicesById(change.tx, serviceIds)).map((row) => [row.id, row]));
  const open = await findOpenRedeploys(change.tx, serviceIds);
  for (const { jobId, serviceId, rotation } of changed) {
    const behind = others.some(({ applied }) =>
      changedJobs(applied, wanted).some((each) => each.jobId === jobId),
    );
    if (behind) continue;
    change.emit({
      environmentId,
      serviceId,
      jobId,
      redeployId: open.get(serviceId)?.id ?? null,
      type: 'ROTATION_CHANGED',
      data: { rotation, proxies: others.length + 1 },
      message: sentences[rotation](services.get(serviceId)?.label ?? serviceId),
    });
  }
}

const sentences = {
  IN: (label: string) => `Requests go to a job of ${label}.`,
  DRAINING: (label: string) => `No new requests go to a job of ${label}; what it has begun may end.`,
  OUT: (label: string) => `No requests go to a job of ${label} any more.`,
};
