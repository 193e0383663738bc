// State streams: what is now, then the newest of what has happened, the last state never left out; they end with their
// subject, also when they begin after its end.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { renameEnvironment } from '../../src/control/environments.ts';
import { updateService } from '../../src/control/update-service.ts';
import { change } from '../../src/postgres/change.ts';
import { markEnvironmentDeleted, markEnvironmentDeleting } from '../../src/postgres/environments.ts';
import { updateService as writeService } from '../../src/postgres/services.ts';
import { type Edge, openEdge } from '../http/edge.ts';
import { globalId } from '../http/watching.ts';
import { carriers, type Item, watch } from './carriers.ts';

const ofEnvironment = 'subscription ($id: ID!) { environment(id: $id) { __typename name deletedAt } }';
const ofService = 'subscription ($id: ID!) { service(id: $id) { __typename scale label } }';

let edge: Edge;
beforeAll(async () => {
  edge = await openEdge();
});
afterAll(() => edge?.close());

async function newService(environmentId: string, label: string): Promise<string> {
  const input = { environmentId, type: 'CODE' as const, label };
  return (await createService(edge.control, edge.token.caller, input)).ids.serviceId;
}

/** As the orchestrator does it when nothing of it is left on the engine. */
async function serviceGoes(environmentId: string, serviceId: string): Promise<void> {
  await change(edge.control, async ({ tx, emit }) => {
    await writeService(tx, serviceId, { deletedAt: new Date() });
    emit({ environmentId, serviceId, type: 'SERVICE_DELETED', data: {}, message: 'gone' });
  });
}

async function environmentGoes(environmentId: string): Promise<void> {
  await change(edge.control, async ({ tx, emit }) => {
    await markEnvironmentDeleting(tx, environmentId);
    await markEnvironmentDeleted(tx, environmentId);
    emit({ environmentId, type: 'ENVIRONMENT_DELETED', data: {}, message: 'gone' });
  });
}

const last = (items: readonly Item[]) => items.at(-1);
const bound = { timeout: 10_000 };

test('a service is shown as it is, and again after each of its changes alone', async () => {
  const environmentId = await edge.addEnvironment();
  const [serviceId, sibling] = [
    await newService(environmentId, 'web'),
    await newService(environmentId, 'other'),
  ];
  const watching = await watch(edge, ofService, { id: globalId('Service', serviceId) });
  await expect.poll(() => watching.items, bound).toEqual([{ __typename: 'Service', scale: 1, label: 'web' }]);
  await updateService(edge.control, edge.token.caller, { serviceId: sibling, scale: 9 });
  for (const scale of [2, 3, 4]) await updateService(edge.control, edge.token.caller, { serviceId, scale });
  await expect.poll(() => last(watching.items), bound).toMatchObject({ scale: 4 });
  expect(watching.items.length).toBeLessThanOrEqual(4);
  watching.leave();
});

describe.each(carriers)('over %s', (_name, collect) => {
  test('the stream of a service gives its last state and completes', async () => {
    const environmentId = await edge.addEnvironment();
    const serviceId = await newService(environmentId, 'web');
    const reading = collect(edge, ofService, { id: globalId('Service', serviceId) });
    const seen = await watch(edge, ofService, { id: globalId('Service', serviceId) });
    await expect.poll(() => seen.items.length, bound).toBe(1);
    await updateService(edge.control, edge.token.caller, { serviceId, scale: 7 });
    await serviceGoes(environmentId, serviceId);
    expect(last(await reading)).toMatchObject({ scale: 7 });
    expect((await collect(edge, ofService, { id: globalId('Service', serviceId) })).length).toBe(1);
    seen.leave();
  });

  test('the stream of an environment gives its last state and completes', async () => {
    const environmentId = await edge.addEnvironment('First');
    const id = globalId('Environment', environmentId);
    const reading = collect(edge, ofEnvironment, { id });
    const seen = await watch(edge, ofEnvironment, { id });
    await expect.poll(() => seen.items.length, bound).toBe(1);
    await renameEnvironment(edge.control, edge.token.caller, { environmentId, name: 'Second' });
    await environmentGoes(environmentId);
    expect(last(await reading)).toMatchObject({ name: 'Second', deletedAt: expect.any(String) });
    expect(await collect(edge, ofEnvironment, { id })).toMatchObject([{ name: 'Second' }]);
    seen.leave();
  });
});
