// A push that git had accepted when the platform died before it was told: its build is asked for at the next start.
import { listNewestBuilds } from '../postgres/builds.ts';
import { listCodeServices } from '../postgres/services.ts';
import type { Control } from './control.ts';
import { type Pusher, recordPush } from './pushes.ts';

export interface PushedCode {
  head(repositoryId: string): Promise<string | undefined>;
  commit(repositoryId: string, sha: string): Promise<{ readonly author: string; readonly subject: string }>;
}

/** At a start: of all code services. */
export async function recoverPushes(control: Control, code: PushedCode): Promise<void> {
  const services = await listCodeServices(control.store.db);
  await recover(
    control,
    code,
    services.map((service) => service.id),
  );
}

/** After a push: of the one that was pushed to, in case git's word of it was lost. */
export async function recoverPush(
  control: Control,
  code: PushedCode,
  serviceId: string,
  pushedBy?: Pusher,
): Promise<void> {
  await recover(control, code, [serviceId], pushedBy);
}

async function recover(
  control: Control,
  code: PushedCode,
  serviceIds: readonly string[],
  pushedBy?: Pusher,
): Promise<void> {
  const built = await listNewestBuilds(control.store.db, serviceIds);
  for (const serviceId of serviceIds) {
    const sha = await code.head(serviceId);
    if (sha === undefined || sha === built.get(serviceId)) continue;
    const { subject } = await code.commit(serviceId, sha);
    await recordPush(control, { serviceId, sha, subject, pushedBy });
  }
}
