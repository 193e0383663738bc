// What goes into a jsonb column comes out as it was, and text that Postgres refuses there doesn't stop a write.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { recordPush } from '../../src/control/pushes.ts';
import { newId } from '../../src/ids.ts';
import type { FailureCause } from '../../src/model/failures.ts';
import { insertJobs, listJobsById } from '../../src/postgres/jobs.ts';
import { listRedeploysById, updateRedeploy } from '../../src/postgres/redeploys.ts';
import { listServicesById } from '../../src/postgres/services.ts';
import { openControl } from '../support/control.ts';

test('values, lists and null come back as they were, as JSON and not as text of it', async () => {
  const { control, token, addEnvironment, close } = await openControl();
  const environmentId = await addEnvironment();
  const cache = { environmentId, type: 'CACHE' as const, label: 'cache', runtime: 'REDIS' };
  const { ids } = await createService(control, token.caller, cache);
  const redeployId = 'redeployId' in ids ? ids.redeployId : '';
  const [made] = await listRedeploysById(control.store.db, [redeployId]);
  const [service] = await listServicesById(control.store.db, [ids.serviceId]);
  expect(made?.phases).toEqual([]);
  expect(made?.cause).toBeNull();
  expect(made?.spec.size).toEqual(service?.size);
  const types = await control.store.raw`
    select jsonb_typeof(spec) spec, jsonb_typeof(phases) phases, spec -> 'image' ->> 'kind' kind from redeploys`;
  expect(types).toEqual([{ spec: 'object', phases: 'array', kind: 'CATALOGUE' }]);
  const row = { id: newId(), environmentId, serviceId: ids.serviceId, type: 'TASK' as const, image: '' };
  const command = ['sh', '-c', 'echo "{}"'];
  await insertJobs(control.store.db as never, [{ ...row, state: 'SCHEDULED', command }]);
  expect((await listJobsById(control.store.db, [row.id]))[0]?.command).toEqual(command);
  await close();
});

test('half a surrogate pair or a NUL in a cause is kept as something else instead of failing for ever', async () => {
  const { control, token, addEnvironment, close } = await openControl();
  const cache = {
    environmentId: await addEnvironment(),
    type: 'CACHE' as const,
    label: 'c',
    runtime: 'REDIS',
  };
  const { ids } = await createService(control, token.caller, cache);
  const redeployId = 'redeployId' in ids ? ids.redeployId : '';
  const texts = fc.string({ unit: fc.constantFrom('a', '\0', '\ud83d', '\ude00', '😀', '"', '\\') });
  await fc.assert(
    fc.asyncProperty(fc.array(texts, { maxLength: 4 }), async (lastLines) => {
      const seen = { jobId: newId(), exitCode: 1, outOfMemory: false, message: '' };
      const cause: FailureCause = { kind: 'CONTAINER_EXITED', lastLines, ...seen };
      const row = await updateRedeploy(control.store.db as never, redeployId, { cause });
      const kept = lastLines.map((line) => line.toWellFormed().replaceAll('\0', '␀'));
      expect(row?.cause).toEqual({ ...cause, lastLines: kept });
    }),
    { numRuns: 50 },
  );
  await close();
});

test('a push whose subject is cut within a character is recorded', async () => {
  const { control, token, addEnvironment, close } = await openControl();
  const environmentId = await addEnvironment();
  const { ids } = await createService(control, token.caller, { environmentId, type: 'CODE', label: 'web' });
  const push = { serviceId: ids.serviceId, sha: 'a'.repeat(40), pushedBy: token.caller };
  const job = await recordPush(control, { ...push, subject: `${'x'.repeat(199)}😀` });
  expect(job?.state).toBe('SCHEDULED');
  await close();
});
