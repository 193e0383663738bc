// Failed tokens counted by address, so that guessing is slow. Memory is bounded: the addresses that failed longest ago are
// forgotten first. Counting starts anew with the process; the tokens themselves are what makes guessing hopeless.
import { isIPv6 } from 'node:net';
import type { EdgeLimits } from './limits.ts';

export interface Guesses {
  /** Seconds until the address may try again; undefined when it may now. */
  wait(address: string): number | undefined;
  failed(address: string): void;
}

const mostAddresses = 10_000;

export function countGuesses({ guesses, guessWindowMs }: EdgeLimits): Guesses {
  const windows = new Map<string, { failures: number; endsAt: number }>();
  return {
    wait: (address) => {
      const window = windows.get(keyOf(address));
      const left = (window?.endsAt ?? 0) - performance.now();
      return window !== undefined && window.failures >= guesses && left > 0
        ? Math.ceil(left / 1_000)
        : undefined;
    },
    failed: (address) => {
      const key = keyOf(address);
      const now = performance.now();
      const present = windows.get(key);
      const window =
        present !== undefined && present.endsAt > now
          ? present
          : { failures: 0, endsAt: now + guessWindowMs };
      window.failures += 1;
      windows.delete(key);
      windows.set(key, window);
      const oldest = windows.size > mostAddresses ? windows.keys().next().value : undefined;
      if (oldest !== undefined) windows.delete(oldest);
    },
  };
}

/** Whoever has one IPv6 address has its whole network of 64 bits. */
function keyOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  if (!isIPv6(plain)) return plain;
  const [head = '', tail] = plain.split('%')[0]?.split('::') ?? [];
  const groups = head.split(':').filter(Boolean);
  const missing = tail === undefined ? 0 : 8 - groups.length - tail.split(':').filter(Boolean).length;
  return [...groups, ...Array<string>(Math.max(0, missing)).fill('0'), ...(tail ?? '').split(':')]
    .slice(0, 4)
    .join(':');
}
