// Whether the parts that Berth needs work: asked anew each time, by the address /health.
import { edgePatienceSeconds } from '../model/edge.ts';
import { findEdge } from '../postgres/edges.ts';
import { type Store, withDeadline } from '../postgres/open.ts';
import type { Control } from './control.ts';

export interface HealthReport {
  readonly healthy: boolean;
  readonly parts: Readonly<Record<string, Part>>;
}

interface Part {
  readonly healthy: boolean;
  readonly message: string;
}

export async function checkHealth({ store, engine, settings, installation }: Control): Promise<HealthReport> {
  const quick = { ...store, deadlineMs: 5_000 };
  const looks: Record<string, Promise<Part>> = {
    database: look(withDeadline(quick, store.raw`select 1`)),
    engine: look(engine()),
    ...(settings.edge && { edge: look(withDeadline(quick, seeEdge(store, installation.podId))) }),
  };
  const names = Object.keys(looks);
  const seen = await Promise.all(Object.values(looks));
  const parts = Object.fromEntries(seen.map((part, at) => [names[at], part]));
  return { healthy: seen.every((part) => part.healthy), parts };
}

/** Whoever looks after it asks it every few seconds, and notes that it has answered. */
async function seeEdge({ db }: Store, podId: string): Promise<void> {
  const edge = await findEdge(db, podId);
  if (edge === undefined || edge.ageSeconds > edgePatienceSeconds) throw new Error('the edge was not seen');
}

async function look(work: PromiseLike<unknown>): Promise<Part> {
  try {
    await work;
    return { healthy: true, message: 'It answers.' };
  } catch {
    return { healthy: false, message: 'It does not answer; the log of Berth says more.' };
  }
}
