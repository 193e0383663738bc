// Sizes a service may have. Named sizes are offered by the catalogue; any numbers within the limits are taken.
import { InvalidInput } from '../errors.ts';
import { checkRange } from './rules.ts';
import type { Size } from './spec.ts';

export const sizeLimits = {
  memoryMiB: { minimum: 16, maximum: 262_144 },
  cpuMillis: { minimum: 50, maximum: 64_000 },
  storageGiB: { minimum: 1, maximum: 16_384 },
} as const;

export const maximumScale = 50;
export const maximumWorkerLimit = 100;

export const namedSizes: readonly { readonly name: string; readonly size: Size }[] = [
  { name: 'small', size: { memoryMiB: 256, cpuMillis: 500, storageGiB: null } },
  { name: 'medium', size: { memoryMiB: 1024, cpuMillis: 1000, storageGiB: null } },
  { name: 'large', size: { memoryMiB: 4096, cpuMillis: 2000, storageGiB: null } },
];

export const standardSize: Size = { memoryMiB: 512, cpuMillis: 1000, storageGiB: null };
export const standardStorageGiB = 10;

export interface SizeInput {
  readonly memoryMiB?: number | null | undefined;
  readonly cpuMillis?: number | null | undefined;
  readonly storageGiB?: number | null | undefined;
}

/** The size asked for, on top of `base`; storage only where the service stores something. */
export function chooseSize(
  input: SizeInput,
  base: Size,
  minimumMemoryMiB: number,
  path: readonly string[] = ['input'],
): Size {
  const memory = input.memoryMiB ?? base.memoryMiB;
  const least = Math.max(sizeLimits.memoryMiB.minimum, minimumMemoryMiB);
  checkRange(memory, least, sizeLimits.memoryMiB.maximum, [...path, 'size', 'memoryMiB'], 'MiB');
  const cpu = input.cpuMillis ?? base.cpuMillis;
  const { minimum, maximum } = sizeLimits.cpuMillis;
  checkRange(cpu, minimum, maximum, [...path, 'size', 'cpuMillis'], 'thousandths of a CPU');
  return {
    memoryMiB: memory,
    cpuMillis: cpu,
    storageGiB: chooseStorage(input.storageGiB, base.storageGiB, path),
  };
}

function chooseStorage(
  asked: number | null | undefined,
  base: number | null,
  path: readonly string[],
): number | null {
  if (asked === null || asked === undefined) return base;
  const here = [...path, 'size', 'storageGiB'];
  if (base === null) throw new InvalidInput(here, 'is for services with a volume only.');
  const { minimum, maximum } = sizeLimits.storageGiB;
  return checkRange(asked, minimum, maximum, here, 'GiB');
}
