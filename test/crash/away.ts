// A control plane that is killed and stays away while visitors go on: they notice nothing of it, nor of its return.
import { setTimeout as sleep } from 'node:timers/promises';
import { startChild } from '../support/crash-child.ts';
import { expectPeace } from '../support/oracle.ts';
import { openSite } from '../support/site.ts';
import { openWorld, redeployed } from '../support/world.ts';
import { witness } from './witness.ts';

export async function leaveAlone(url: string, seconds: number): Promise<void> {
  const settings = { settleSeconds: 0.3 };
  const world = await openWorld(url, { orchestrate: false, settings });
  const options = { url, dataDirectory: world.dataDirectory, settings };
  let child = await startChild(options);
  try {
    const site = await openSite(world, { overlapSeconds: 1 });
    const seeing = await witness(world, site, [], 2);
    child.kill('SIGKILL');
    await child.dead;
    await sleep(seconds * 1000);
    child = await startChild(options);
    const ended = await redeployed(world, site.serviceId).catch((error: Error) => error);
    const breaches = await seeing.end();
    if (ended instanceof Error) throw ended;
    if (ended.state !== 'SUCCEEDED') breaches.push(`the redeploy after it has ended ${ended.state}`);
    if (breaches.length > 0) throw new Error(`Away for ${seconds} s: ${breaches.join('\n')}`);
    await expectPeace(world);
  } finally {
    await child.end();
    await world.close();
  }
}
