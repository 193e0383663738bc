// A push that git had accepted when the platform died before it was told: its build is asked for at the next start.
import { listNewestBuilds } from '../postgres/jobs.ts';
import { listCodeServices } from '../postgres/services.ts';
import type { Control } from './control.ts';
import { recordPush } from './pushes.ts';

export interface PushedCode {
  head(repositoryId: string): Promise<string | undefined>;
  commit(repositoryId: string, sha: string): Promise<{ readonly author: string; readonly subject: string }>;
}

export async function recoverPushes(control: Control, code: PushedCode): Promise<void> {
  const { db } = control.store;
  const [services, built] = await Promise.all([listCodeServices(db), listNewestBuilds(db)]);
  for (const { id: serviceId } of services)
    await recoverPush(control, code, serviceId, built.get(serviceId) ?? undefined);
}

export async function recoverPush(
  control: Control,
  code: PushedCode,
  serviceId: string,
  builtCommit: string | undefined,
): Promise<void> {
  const sha = await code.head(serviceId);
  if (sha === undefined || sha === builtCommit) return;
  const { subject } = await code.commit(serviceId, sha);
  await recordPush(control, { serviceId, sha, subject, pushedBy: 'A push taken up again' });
}
