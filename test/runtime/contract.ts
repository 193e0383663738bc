// What every runtime promises, whatever runs the containers beneath. A runtime's own test opens it and calls this.

import { containerContract } from './contract-containers.ts';
import { environmentContract } from './contract-environment.ts';
import { imageContract } from './contract-images.ts';
import { insideContract } from './contract-inside.ts';
import { logContract } from './contract-logs.ts';
import { measureContract } from './contract-measures.ts';
import { networkContract, reachContract } from './contract-networks.ts';
import { confinementContract, startContract } from './contract-start.ts';
import type { World } from './world.ts';

/** What the engine in memory keeps too: whether a container is there, whose it is, whether it runs, what it uses, how it ended. */
export function lifeContract(world: () => World): void {
  startContract(world);
  containerContract(world);
  networkContract(world);
  measureContract(world);
  insideContract(world);
}

export function runtimeContract(world: () => World): void {
  lifeContract(world);
  confinementContract(world);
  environmentContract(world);
  reachContract(world);
  logContract(world);
  imageContract(world);
}
