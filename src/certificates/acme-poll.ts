// Asking an authority again until something is so. A single unanswered question is forgiven: the clock decides.
import { setTimeout as sleep } from 'node:timers/promises';
import { AcmeFailed } from './acme-failure.ts';

const firstPauseMilliseconds = 500;
const longestPauseMilliseconds = 5000;

/** `look` answers undefined while there is nothing yet; so does this when the time is over. */
export async function poll<T>(
  look: () => Promise<T | undefined>,
  seconds: number,
  signal: AbortSignal,
): Promise<T | undefined> {
  const end = performance.now() + seconds * 1000;
  let pause = firstPauseMilliseconds;
  for (;;) {
    const outcome = await look().then(
      (found) => ({ found }),
      (thrown: unknown) => ({ thrown }),
    );
    signal.throwIfAborted();
    const left = end - performance.now();
    if ('found' in outcome) {
      if (outcome.found !== undefined || left <= 0) return outcome.found;
    } else if (left <= 0 || !isPassing(outcome.thrown)) throw outcome.thrown;
    await sleep(Math.min(pause, left), undefined, { signal });
    pause = Math.min(pause * 1.5, longestPauseMilliseconds);
  }
}

function isPassing(fault: unknown): boolean {
  return fault instanceof AcmeFailed && fault.kind === 'UNREACHABLE';
}
