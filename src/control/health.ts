// Whether the parts that Berth needs work: asked anew each time, by the address /health.
import { withDeadline } from '../postgres/open.ts';
import type { Control } from './control.ts';

export interface HealthReport {
  readonly healthy: boolean;
  readonly parts: Readonly<Record<string, { readonly healthy: boolean; readonly message: string }>>;
}

export async function checkHealth({ store, engine }: Control): Promise<HealthReport> {
  const [database, containers] = await Promise.all([
    look(withDeadline({ ...store, deadlineMs: 5_000 }, store.raw`select 1`)),
    look(engine()),
  ]);
  return { healthy: database.healthy && containers.healthy, parts: { database, engine: containers } };
}

async function look(work: PromiseLike<unknown>) {
  try {
    await work;
    return { healthy: true, message: 'It answers.' };
  } catch {
    return { healthy: false, message: 'It does not answer; the log of Berth says more.' };
  }
}
