// What loops are woken by, each by its own topic of the nudges: a promise that stands until somebody rings.
import type { Nudges } from '../postgres/nudges.ts';

/** `due`: services; `builds` that wait; what is left of `deletions`; `checks` to be made; `webhooks` to be sent to. */
const topics = ['due', 'builds', 'deletions', 'checks', 'webhooks'] as const;
export type Bell = (typeof topics)[number];

export interface Bells {
  /** Answers when it is rung next; each call asks anew. */
  asked(bell: Bell): () => Promise<void>;
  ring(bell: Bell): void;
  ringAll(): void;
  close(): void;
}

export function openBells(nudges: Nudges): Bells {
  const fresh = () => Promise.withResolvers<void>();
  const standing = Object.fromEntries(topics.map((topic) => [topic, fresh()])) as Record<
    Bell,
    PromiseWithResolvers<void>
  >;
  function ring(bell: Bell): void {
    standing[bell].resolve();
    standing[bell] = fresh();
  }
  function ringAll(): void {
    for (const topic of topics) ring(topic);
  }
  const stopListening = nudges.listen((heard) => {
    if (heard === undefined) ringAll();
    else for (const topic of topics) if (topic === heard) ring(topic);
  });
  return {
    asked: (bell) => () => standing[bell].promise,
    ring,
    ringAll,
    close: () => {
      stopListening();
      ringAll();
    },
  };
}
