// Visitors by HTTPS who keep their connections while certificates change.
import { Agent } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from '../proxy/asking.ts';
import { until } from './world.ts';

/** Three who keep their connections, and one who comes anew each time, until they are ended. */
export function sendKeepingVisitors(visit: (agent: Agent | false) => Promise<Answer>) {
  const outcomes = new Set<string>();
  const kept = new Set<string | undefined>();
  // Without sessions to resume: those don't say whose certificate it was.
  const agent = new Agent({ keepAlive: true, maxSockets: 3, maxCachedSessions: 0 });
  let visits = 0;
  let running = true;
  const visitors = [agent, agent, agent, false as const].map(async (by) => {
    while (running) {
      const seen = await visit(by).catch((fault: Error) => fault);
      outcomes.add(seen instanceof Error ? seen.message : `${seen.status} ${seen.body.trim()}`);
      if (by !== false && !(seen instanceof Error)) kept.add(seen.serial);
      visits += 1;
      await sleep(20);
    }
  });
  return {
    some: async () => {
      const target = visits + 40;
      await until(
        'they have come',
        async () => visits,
        (count) => count >= target,
      );
    },
    end: async () => {
      running = false;
      await Promise.all(visitors);
      agent.destroy();
      return { outcomes, kept };
    },
  };
}
