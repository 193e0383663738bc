// A push that git had accepted when its word to the platform was lost: its build is asked for later, by whoever the hook
// noted before the branch moved.
import { listNewestBuilds } from '../postgres/builds.ts';
import { listCodeServices } from '../postgres/services.ts';
import type { Control } from './control.ts';
import { type PushedCode, recordPush, takePush } from './pushes.ts';

/** At a start: of all code services. What fails for one holds up none of the others, and is thrown in the end. */
export async function recoverPushes(control: Control, code: PushedCode): Promise<void> {
  const services = await listCodeServices(control.store.db);
  const ids = services.map((service) => service.id);
  const built = await listNewestBuilds(control.store.db, ids);
  const faults: unknown[] = [];
  for (const id of ids)
    await recover(control, code, id, built.get(id)).catch((fault: unknown) => faults.push(fault));
  if (faults.length > 0) throw new AggregateError(faults, `${faults.length} pushes could not be taken up`);
}

/** After a push: of the one that was pushed to. */
export async function recoverPush(control: Control, code: PushedCode, serviceId: string): Promise<void> {
  const built = await listNewestBuilds(control.store.db, [serviceId]);
  await recover(control, code, serviceId, built.get(serviceId));
}

async function recover(
  control: Control,
  code: PushedCode,
  serviceId: string,
  builtSha: string | null | undefined,
): Promise<void> {
  const sha = await code.head(serviceId);
  if (sha === undefined || sha === builtSha) return;
  const push = await code.findPush(serviceId, sha);
  if (push !== undefined) {
    await takePush(control, code, { ...push, repositoryId: serviceId, newSha: sha });
    return;
  }
  const { subject } = await code.commit(serviceId, sha);
  await recordPush(control, { serviceId, sha, subject, pushedBy: undefined });
}
