// S15 as it happens: how many running containers mount a volume, sampled through the engine itself.
import { setTimeout as sleep } from 'node:timers/promises';
import Docker from 'dockerode';

export interface Writers {
  /** Ends the sampling; answers with the most that were seen at once, and how often was looked. */
  stop(): Promise<{ readonly most: number; readonly samples: number }>;
}

export function watchWriters(volume: string): Writers {
  const engine = new Docker();
  let most = 0;
  let samples = 0;
  let over = false;
  async function sample(): Promise<void> {
    while (!over) {
      const filters = { volume: [volume], status: ['running'] };
      const running = await engine.listContainers({ filters }).catch(() => []);
      most = Math.max(most, running.length);
      samples += 1;
      await sleep(20);
    }
  }
  const sampling = sample();
  return {
    stop: async () => {
      over = true;
      await sampling;
      return { most, samples };
    },
  };
}
