// An edge leads to so many environments and no more: where it is on, one too many is refused with the number; where it is
// off, one is made without a place, says so, and gets one when there is one.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { edgeSlots } from '../../src/model/edge.ts';
import { givePlaces } from '../../src/orchestrator/edge-places.ts';
import { type Api, openApi } from '../support/api.ts';

let on: Api;
let off: Api;
const edge = { httpPort: 8000 };
const free = 2;

beforeAll(async () => {
  const common = { included: ['SERVICE_PROXY' as const], domain: 'berth.test' };
  on = await openApi({ ...common, edge });
  off = await openApi(common);
  await fill(on);
  await fill(off);
});
afterAll(async () => {
  await on?.close();
  await off?.close();
});

/** All places but the last few are taken. */
async function fill({ control }: Api): Promise<void> {
  const { organizationId, podId } = control.installation;
  await control.store.raw`
    insert into environments (id, organization_id, pod_id, name, namespace, kind, edge_slot)
    select gen_random_uuid(), ${organizationId}, ${podId}, 'Taken', 'taken-' || n, 'SANDBOX', n
    from generate_series(0, ${edgeSlots - free - 1}) n`;
}

const create = (api: Api, namespace: string) =>
  api.mutate(`mutation { createEnvironment(input: { name: "E", namespace: "${namespace}", kind: SANDBOX }) {
    __typename ... on LimitError { message path limit current } ... on UserError { code }
    ... on CreateEnvironmentPayload { environment { publicUrl } } } }`);

test('where the edge is on, one that would have no place is refused, and nothing of it is left', async () => {
  for (const namespace of ['one', 'two'])
    expect(await create(on, namespace)).toMatchObject({
      environment: { publicUrl: `http://${namespace}.berth.test:8000/` },
    });
  const before = await on.counts();
  expect(await create(on, 'three')).toEqual({
    __typename: 'LimitError',
    code: 'LIMIT',
    message: expect.stringContaining('no free place'),
    path: ['input'],
    limit: edgeSlots,
    current: edgeSlots,
  });
  expect(await on.counts()).toEqual(before);
});

test('where it is off, one is made without, has no address, and gets a place when one is free', async () => {
  for (const namespace of ['one', 'two', 'three'])
    expect(await create(off, namespace)).toMatchObject({ environment: { publicUrl: null } });
  const { store } = off.control;
  const withEdge = { ...off.control, settings: { ...off.control.settings, edge } };
  expect(await givePlaces(withEdge)).toBe(1);
  await store.raw`update environments set deleted_at = now() where namespace = 'taken-5'`;
  expect(await givePlaces(withEdge)).toBe(0);
  const [third] = await store.raw`select edge_slot from environments where namespace = 'three'`;
  expect(third).toEqual({ edge_slot: 5 });
});
