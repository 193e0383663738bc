// Environments that were made when the edge had no free place, or none at all, get one as soon as there is one.
import { edgeSlots } from '../model/edge.ts';
import { change } from '../postgres/change.ts';
import { listWithoutEdgeSlot, takeEdgeSlot } from '../postgres/environments.ts';
import type { Deps } from './deps.ts';

/** Answers with how many are left without. */
export async function givePlaces(deps: Pick<Deps, 'store' | 'nudges' | 'installation'>): Promise<number> {
  const { store, installation } = deps;
  const waiting = await listWithoutEdgeSlot(store.db, installation.podId);
  for (const [number, id] of waiting.entries()) {
    const { value: slot } = await change(deps, ({ tx }) =>
      takeEdgeSlot(tx, installation.podId, id, edgeSlots),
    );
    if (slot === undefined) return waiting.length - number;
  }
  return 0;
}
