// The registry of types whose checks the control plane makes itself. A new type is one file and one line.
import { command } from './command.ts';
import { disk } from './disk.ts';
import { expiry } from './expiry.ts';
import { jobRunning } from './job-running.ts';
import { memory } from './memory.ts';
import type { PlatformCheckType } from './platform-type.ts';
import { restarts } from './restarts.ts';

const all: readonly PlatformCheckType[] = [jobRunning, memory, disk, restarts, expiry, command];

export const platformCheckTypes: ReadonlyMap<string, PlatformCheckType> = new Map(
  all.map((each) => [each.type, each]),
);
