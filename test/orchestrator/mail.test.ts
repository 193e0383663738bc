// Incidents by e-mail: a webhook to a mail address, from a check's results to what a real SMTP server is handed.
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { createEnvironment } from '../../src/control/environments.ts';
import { createWebhook } from '../../src/control/webhooks.ts';
import { change } from '../../src/postgres/change.ts';
import { listChecksOf } from '../../src/postgres/checks.ts';
import { recordResults } from '../../src/postgres/record-results.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import { openWorld, until, type World } from '../support/world.ts';

let database: FreshDatabase;
let world: World;
const mails: string[] = [];
let refusals = 1;

const server = new SMTPServer({
  disabledCommands: ['STARTTLS', 'AUTH'],
  onData: async (stream, _session, done) => {
    let text = '';
    for await (const part of stream) text += part;
    if (refusals-- > 0) return done(Object.assign(new Error('try later'), { responseCode: 451 }));
    mails.push(text);
    done();
  },
});

beforeAll(async () => {
  database = await freshDatabase();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.server.address() as AddressInfo;
  const mail = { url: `smtp://127.0.0.1:${port}`, from: 'berth@example.org' };
  world = await openWorld(database.url, { settings: { mail, webhookRetrySeconds: [0.1] } });
}, 60_000);
afterAll(async () => {
  await world?.close();
  await database?.drop();
  await new Promise<void>((resolve) => server.close(resolve));
});

test('an incident is told by mail, and by one mail, also when the first try was refused', async () => {
  const { control, caller } = world;
  const made = await createEnvironment(control, caller, { name: 'Mailed', kind: 'PRODUCTION' });
  const { environmentId } = made.ids;
  await createService(control, caller, { environmentId, type: 'CODE', label: 'web' });
  const url = 'mailto:alarms@example.org';
  await createWebhook(control, caller, { environmentId, url, eventTypes: ['INCIDENT_OPENED'] });
  const check = (await listChecksOf(control.store.db, environmentId)).find(({ name }) => name === 'port');
  const result = {
    ...{ checkId: check?.id ?? '', state: 'CRITICAL' as const, output: 'Nothing listens.', metrics: [] },
    ...{ durationMs: 1, source: 'MONITOR' as const },
  };
  for (let seen = 0; seen < 3; seen++)
    await change(control, (current) =>
      recordResults(current, environmentId, [{ ...result, startedAt: new Date() }]),
    );
  await until(
    'a mail has come',
    async () => mails,
    (all) => all.length > 0,
    20_000,
  );
  expect(mails).toHaveLength(1);
  expect(mails[0]).toMatch(/^To: alarms@example\.org\r$/m);
  expect(mails[0]).toMatch(/^Subject: \[Berth\] port is CRITICAL: Nothing listens\.\r$/m);
  expect(refusals).toBeLessThan(1);
});
