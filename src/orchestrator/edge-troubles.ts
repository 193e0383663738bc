// What is wrong with the edge, said in the log when it begins and when it is over, and not each time it is met again. With
// its own last words: a port that somebody else has is known to nobody but the edge.
import type { Deps } from './deps.ts';
import { nameOf } from './edge-start.ts';

const lastLines = 5;
const patienceMs = 2_000;

export interface Troubles {
  failed(error: unknown): Promise<void>;
  over(): void;
  /** So many environments have no place at it. */
  unplaced(count: number): void;
}

export function tellTroubles(deps: Deps, signal: AbortSignal): Troubles {
  const { logger } = deps;
  let told: string | undefined;
  let without = 0;
  return {
    failed: async (error) => {
      const words = error instanceof Error ? error.message : String(error);
      if (signal.aborted || words === told) return;
      told = words;
      const lines = await lastWords(deps);
      logger.error({ err: error, lines }, 'the edge could not be looked after; it is tried again');
    },
    over: () => {
      if (told !== undefined) logger.info('the edge is looked after again');
      told = undefined;
    },
    unplaced: (count) => {
      if (count > 0 && without === 0)
        logger.error(
          { environments: count },
          'the edge has no free place; some environments are not reached by it until another is deleted',
        );
      without = count;
    },
  };
}

async function lastWords({ runtime, installation }: Deps): Promise<string[]> {
  const name = nameOf({ installation });
  const lines: string[] = [];
  const options = { tail: lastLines, follow: false, signal: AbortSignal.timeout(patienceMs) };
  try {
    for await (const { text } of runtime.readLogs(name, options)) lines.push(text);
  } catch {
    // There is none, or the engine doesn't answer: that is the error itself then.
  }
  return lines;
}
