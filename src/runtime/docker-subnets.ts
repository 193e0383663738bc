// Which subnets a network may try, in which order. Pure and without memory: the order follows from the name, so two that
// create networks at once rarely meet, and the engine itself says which subnet is taken.
import { createHash } from 'node:crypto';

/** 62 addresses for containers and one for the host, out of a range that holds many such networks. */
const prefixLength = 26;
const size = 2 ** (32 - prefixLength);

export interface SubnetRange {
  readonly first: number;
  readonly count: number;
}

/** Reads a range like `10.210.0.0/16`; throws a sentence when it is none or smaller than one network. */
export function parseSubnetRange(text: string): SubnetRange {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(text);
  const numbers = (match ?? []).slice(1).map(Number);
  const [a = 256, b = 256, c = 256, d = 256, length = 33] = numbers;
  if (Math.max(a, b, c, d) > 255 || length < 8 || length > prefixLength) {
    throw new Error(
      `The range for networks must look like 10.210.0.0/16, from /8 to /26, not ${JSON.stringify(text)}.`,
    );
  }
  const address = ((a * 256 + b) * 256 + c) * 256 + d;
  const rangeSize = 2 ** (32 - length);
  return { first: address - (address % rangeSize), count: rangeSize / size };
}

/** Up to `attempts` subnets, none twice: the step is odd and the count a power of two, so the walk reaches each. */
export function* subnetsFor(name: string, range: SubnetRange, attempts: number): Generator<string> {
  const hash = createHash('sha256').update(name).digest();
  const start = hash.readUInt32BE(0);
  const step = hash.readUInt32BE(4) | 1;
  for (let attempt = 0; attempt < Math.min(attempts, range.count); attempt++) {
    const index = (start + attempt * (step >>> 0)) % range.count;
    yield `${addressText(range.first + index * size)}/${prefixLength}`;
  }
}

function addressText(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}
