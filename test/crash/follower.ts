// A client that follows an environment's events, is cut off whenever its server dies, and goes on from its cursor.
import { asc, eq } from 'drizzle-orm';
import type { Control } from '../../src/control/control.ts';
import { streamEvents } from '../../src/control/event-stream.ts';
import type { LoggedEvent } from '../../src/model/events.ts';
import { events } from '../../src/postgres/tables/events.ts';

export interface Follower {
  /** Breaks the stream off in the midst of whatever it is doing, and resumes it. */
  cut(): Promise<void>;
  /** Ends following; says how what was received differs from the log, if it does. */
  end(): Promise<string[]>;
}

export function follow(control: Control, environmentId: string): Follower {
  const received: LoggedEvent[] = [];
  const oddities: string[] = [];
  let cursor: string | undefined;
  let stop = new AbortController();
  let reading = read();

  async function read(): Promise<void> {
    const selection = {
      environmentId,
      begin: 'FIRST' as const,
      after: cursor,
      ended: async () => false,
    };
    for await (const item of streamEvents(control, selection, stop.signal)) {
      cursor = item.cursor;
      if (item.kind === 'ITEM') received.push(item.item);
      if (item.kind === 'GAP') oddities.push(`a gap: ${item.reason}`);
    }
  }
  async function halt(): Promise<void> {
    stop.abort();
    await reading;
  }
  return {
    cut: async () => {
      await halt();
      stop = new AbortController();
      reading = read();
    },
    end: async () => {
      const logged = await control.store.db
        .select()
        .from(events)
        .where(eq(events.environmentId, environmentId))
        .orderBy(asc(events.seq));
      for (
        const limit = performance.now() + 5_000;
        received.length < logged.length && performance.now() < limit;
      )
        await new Promise((resolve) => setTimeout(resolve, 20));
      await halt();
      const same = JSON.stringify(received.map(essence)) === JSON.stringify(logged.map(essence));
      if (!same) oddities.push(`received ${received.map((each) => each.seq)} of ${logged.length} events`);
      return oddities;
    },
  };
}

function essence({ seq, type, message, data }: LoggedEvent): readonly unknown[] {
  return [seq, type, message, data];
}
