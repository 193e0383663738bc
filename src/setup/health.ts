// Whether the parts that Berth needs work: asked anew each time, by the address /health.
import { type Store, withDeadline } from '../postgres/open.ts';
import type { Runtime } from '../runtime/runtime.ts';

export interface HealthReport {
  readonly healthy: boolean;
  readonly parts: Readonly<Record<string, { readonly healthy: boolean; readonly message: string }>>;
}

export async function checkHealth(store: Store, runtime: Runtime): Promise<HealthReport> {
  const [database, engine] = await Promise.all([
    look(withDeadline({ ...store, deadlineMs: 5_000 }, store.raw`select 1`), 'It answers.'),
    look(runtime.info(), 'It answers.'),
  ]);
  return { healthy: database.healthy && engine.healthy, parts: { database, engine } };
}

async function look(work: PromiseLike<unknown>, message: string) {
  try {
    await work;
    return { healthy: true, message };
  } catch {
    return { healthy: false, message: 'It does not answer; the log of Berth says more.' };
  }
}
