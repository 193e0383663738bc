// A service that is deleted while a build or a redeploy of it is open: no release and no redeploy comes of the build any
// more, what was asked for in the very moment ends CANCELED, and nothing of either is left.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { deleteService } from '../../src/control/delete-service.ts';
import { recordPush } from '../../src/control/pushes.ts';
import { redeployService } from '../../src/control/redeploy.ts';
import { Conflict } from '../../src/errors.ts';
import { newId } from '../../src/ids.ts';
import { hasEnded, releaseTag } from '../../src/model/jobs.ts';
import { openStates } from '../../src/model/redeploy.ts';
import type { Deps } from '../../src/orchestrator/deps.ts';
import { recordRelease } from '../../src/orchestrator/release.ts';
import { change } from '../../src/postgres/change.ts';
import { insertJobs, type JobRow, listJobsById } from '../../src/postgres/jobs.ts';
import { insertRedeploy, listRedeploysById } from '../../src/postgres/redeploys.ts';
import { wantedSpec } from '../../src/postgres/request-redeploy.ts';
import { listServicesById } from '../../src/postgres/services.ts';
import { type ControlWorld, openControl } from '../support/control.ts';
import { expectPeace } from '../support/oracle.ts';
import { openPlane, quickSettings } from '../support/plane.ts';
import { freshDatabase } from '../support/postgres.ts';
import {
  importImage,
  newRelease,
  newService,
  openWorld,
  until,
  type World,
  webCommand,
} from '../support/world.ts';

async function openBuild(
  { control }: Pick<ControlWorld, 'control'>,
  at: { readonly environmentId: string; readonly serviceId: string },
): Promise<JobRow> {
  const { environmentId, serviceId } = at;
  const row = { id: newId(), environmentId, serviceId, type: 'BUILD' as const, image: '' };
  const commit = randomBytes(20).toString('hex');
  const [job] = await control.store.db.transaction((tx) =>
    insertJobs(tx, [{ ...row, state: 'RUNNING', commit }]),
  );
  if (job === undefined) throw new Error('no build was made');
  return job;
}

describe('what is written down', () => {
  let world: ControlWorld;
  beforeAll(async () => {
    world = await openControl();
  });
  afterAll(() => world.close());

  async function codeService() {
    const environmentId = await world.addEnvironment();
    const input = { environmentId, type: 'CODE', label: 'web' } as const;
    const { ids } = await createService(world.control, world.token.caller, input);
    return { environmentId, serviceId: ids.serviceId };
  }

  /** What the record of a build needs; its engine has no images to remove. */
  const deps = () =>
    ({
      ...world.control,
      settings: quickSettings,
      runtime: { removeImage: async () => {} },
    }) as unknown as Deps;

  const built = ({ commit }: JobRow) => ({
    ...{ id: newId(), commit: commit ?? '', subject: 'Begin', imageId: 'sha256:1' },
    ...{ language: 'node', commands: {} },
  });

  const written = async (serviceId: string) => {
    const { raw } = world.control.store;
    const [counts] = await raw`select
      (select count(*)::int from releases where service_id = ${serviceId}) as releases,
      (select count(*)::int from redeploys where service_id = ${serviceId}) as redeploys`;
    return { ...counts };
  };

  test('a build that ends becomes a release and a redeploy of a living service, and nothing of a deleted one', async () => {
    const { control, token } = world;
    for (const deleted of [false, true]) {
      const at = await codeService();
      const job = await openBuild(world, at);
      const { serviceId } = at;
      if (deleted) await deleteService(control, token.caller, { serviceId, confirm: 'web' });
      const before = await control.log.state(at.environmentId);
      expect(await recordRelease(deps(), job, built(job))).toBe(!deleted);
      const count = deleted ? 0 : 1;
      expect(await written(serviceId)).toEqual({ releases: count, redeploys: count });
      const after = await control.log.state(at.environmentId);
      expect([deleted, after?.lastSeq === before?.lastSeq]).toEqual([deleted, deleted]);
    }
  });

  test('a deletion in the moment of the record leaves no open redeploy, whichever comes first', async () => {
    const { control, token } = world;
    for (let round = 0; round < 8; round++) {
      const at = await codeService();
      const job = await openBuild(world, at);
      const input = { serviceId: at.serviceId, confirm: 'web' };
      const [recorded] = await Promise.all([
        recordRelease(deps(), job, built(job)),
        deleteService(control, token.caller, input),
      ]);
      const count = recorded ? 1 : 0;
      expect(await written(at.serviceId)).toEqual({ releases: count, redeploys: count });
      const open = await control.store.raw`select 1 from redeploys
        where service_id = ${at.serviceId} and state in ('QUEUED', 'RUNNING')`;
      expect(open.length).toBe(0);
    }
  });

  test('a redeploy asked for in the moment of the deletion is refused, or ends CANCELED', async () => {
    const { control, token } = world;
    for (let round = 0; round < 8; round++) {
      const environmentId = await world.addEnvironment();
      const input = { environmentId, type: 'CACHE', label: 'cache', runtime: 'REDIS' } as const;
      const { serviceId } = (await createService(control, token.caller, input)).ids;
      const [asked] = await Promise.allSettled([
        redeployService(control, token.caller, { serviceId }),
        deleteService(control, token.caller, { serviceId, confirm: 'cache' }),
      ]);
      if (asked.status === 'rejected') expect(asked.reason).toBeInstanceOf(Conflict);
      else {
        const [row] = await listRedeploysById(control.store.db, [asked.value.ids.redeployId]);
        expect(row?.state).toBe('CANCELED');
      }
    }
  });
});

test('the clear-away of a deleted service ends its build and the redeploy asked for meanwhile, and leaves nothing', async () => {
  const database = await freshDatabase();
  const world = await openWorld(database.url, { orchestrate: false });
  const { control, caller, url, dataDirectory } = world;
  const { db } = control.store;
  try {
    const service = await newService(world);
    const { serviceId, environmentId, label } = service;
    const commit = randomBytes(20).toString('hex');
    const imageId = await importImage(world.runtime, world.engine.id, releaseTag(serviceId, commit));
    await newRelease(world, serviceId, { web: webCommand }, imageId, commit);
    const build = await pushed(world, serviceId);
    await deleteService(control, caller, { serviceId, confirm: label });
    const redeployId = await askedInTheMoment(world, serviceId, environmentId);
    const from = (await control.log.state(environmentId))?.lastSeq ?? 0;
    const plane = await openPlane({ url, dataDirectory });
    try {
      const look = async () => (await listServicesById(db, [serviceId]))[0]?.deletedAt ?? null;
      await until('the service is deleted', look, (deletedAt) => deletedAt !== null);
      const ending = async () => (await listJobsById(db, [build.id]))[0]?.state;
      await until('its build has ended', ending, (state) => state !== undefined && hasEnded(state));
      await expectPeace(world);
    } finally {
      await plane.close();
    }
    const [redeploy] = await listRedeploysById(db, [redeployId]);
    expect(openStates).not.toContain(redeploy?.state);
    expect(redeploy).toMatchObject({ state: 'CANCELED', endedAt: expect.any(Date) });
    const events = await control.log.read(environmentId, from, 100, { fromTable: true });
    const told = events.filter((event) => event.redeployId === redeployId);
    expect(told.map(({ type, data }) => [type, data])).toEqual([
      ['REDEPLOY_ENDED', { state: 'CANCELED', cause: null }],
    ]);
    expect(events.findIndex(({ type }) => type === 'SERVICE_DELETED')).toBeGreaterThan(
      events.findIndex(({ type }) => type === 'REDEPLOY_ENDED'),
    );
    expect(await world.runtime.findImage(imageId)).toBeUndefined();
    expect((await world.engine.remains()).containers).toEqual([]);
  } finally {
    await world.close();
    await database.drop();
  }
}, 60_000);

/** As a record that had passed its check before the deletion was marked: the row stands after it. */
async function askedInTheMoment(world: World, serviceId: string, environmentId: string): Promise<string> {
  const { db } = world.control.store;
  const [row] = await listServicesById(db, [serviceId]);
  const spec = row && (await wantedSpec(db, row));
  if (spec === undefined) throw new Error('a service with a release has a spec');
  const id = newId();
  const asked = {
    id,
    serviceId,
    environmentId,
    reason: 'CODE_PUSH' as const,
    requestedBy: 'test',
    changes: [],
  };
  const more = { strategy: spec.strategy, state: 'QUEUED' as const, spec, deadlineSeconds: 600 };
  await change(world.control, async ({ tx, emit }) => {
    await insertRedeploy(tx, { ...asked, ...more });
    const event = { type: 'REDEPLOY_REQUESTED', data: { reason: 'CODE_PUSH' }, message: 'asked' } as const;
    emit({ ...event, environmentId, serviceId, redeployId: id });
  });
  return id;
}

async function pushed({ control, caller }: World, serviceId: string): Promise<JobRow> {
  const sha = randomBytes(20).toString('hex');
  const job = await recordPush(control, { serviceId, sha, subject: 'Begin', pushedBy: caller });
  if (job === undefined) throw new Error('the push was not recorded');
  return job;
}
