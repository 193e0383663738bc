// The server whose subscribers results.ts is: an environment with a monitor, a small web service, and 100 HTTP checks of it.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCheck } from '../../src/control/checks.ts';
import { redeployService } from '../../src/control/redeploy.ts';
import { hashToken, makeToken } from '../../src/control/tokens.ts';
import { newId } from '../../src/ids.ts';
import { countHealthy } from '../../src/postgres/jobs.ts';
import { listServicesOf } from '../../src/postgres/services.ts';
import { insertToken } from '../../src/postgres/tokens.ts';
import type { Subscription } from './subscriber.ts';
import { makeCodeService, openBench, removeEnvironment } from './support.ts';

const checks = 100;
const socketsOfToken = 20;

const world = await openBench(['MONITORING']);
const { control, url } = world.berth;
const { store, installation } = control;
const made = await makeCodeService(world, 1, 'PRODUCTION');
const { environmentId, serviceId } = made;
await redeployService(control, world.caller, { serviceId });
const all = (await listServicesOf(store.db, environmentId)).map(({ id }) => id);
for (const end = performance.now() + 120_000; ; await sleep(200)) {
  const healthy = await countHealthy(store.db, all);
  if (all.every((id) => healthy.has(id))) break;
  if (performance.now() > end) throw new Error('not all services became healthy');
}
for (let number = 0; number < checks; number++)
  await createCheck(control, world.caller, {
    ...{
      serviceId,
      name: `page ${number}`,
      settings: { HTTP: { path: '/', expectedStatus: { from: 200, to: 499 } } },
    },
    ...{ intervalSeconds: 10, timeoutSeconds: 5 },
  });
const tokens = Array.from({ length: Math.ceil(Number(process.argv[2]) / socketsOfToken) }, makeToken);
for (const token of tokens)
  await insertToken(store.db, {
    ...{ id: newId(), organizationId: installation.organizationId, environmentId, name: 'results' },
    ...{ hash: hashToken(token), scopes: ['read'], operator: false, expiresAt: null, createdBy: 'bench' },
  });
const id = Buffer.from(`Environment:${environmentId}`).toString('base64url');
const query = `subscription { checkResults(environmentId: "${id}") {
  __typename ... on CheckResult { cursor startedAt durationMs state output } } }`;
process.send?.({ url: `${url.replace('http', 'ws')}/graphql`, query, tokens } satisfies Subscription);
await once(process, 'message');
await removeEnvironment(world, made);
await world.close();
process.exit(0);
