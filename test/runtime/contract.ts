// What every runtime promises, whatever runs the containers beneath. A runtime's own test opens it and calls this.

import { containerContract } from './contract-containers.ts';
import { environmentContract } from './contract-environment.ts';
import { imageContract } from './contract-images.ts';
import { logContract } from './contract-logs.ts';
import { networkContract } from './contract-networks.ts';
import { startContract } from './contract-start.ts';
import type { World } from './world.ts';

export function runtimeContract(world: () => World): void {
  startContract(world);
  containerContract(world);
  environmentContract(world);
  networkContract(world);
  logContract(world);
  imageContract(world);
}
