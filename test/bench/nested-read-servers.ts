// The two servers that nested-read.ts loads, on one database: Berth, and one SQL statement behind node:http.
import { createServer } from 'node:http';
import { createEnvironment } from '../../src/control/environments.ts';
import { newId } from '../../src/ids.ts';
import { insertJobs } from '../../src/postgres/jobs.ts';
import { connect } from '../../src/postgres/open.ts';
import { listServicesOf } from '../../src/postgres/services.ts';
import { openBench } from './support.ts';

const world = await openBench();
const { control } = world.berth;
for (let e = 0; e < 10; e++) {
  const services = Array.from({ length: 10 }, (_, s) => ({ type: 'CODE' as const, label: `service-${s}` }));
  const { ids } = await createEnvironment(control, world.caller, {
    name: `Environment ${e}`,
    kind: 'SANDBOX',
    services,
  });
  for (const service of await listServicesOf(control.store.db, ids.environmentId)) {
    const row = {
      environmentId: service.environmentId,
      serviceId: service.id,
      type: 'DEPLOY' as const,
      state: 'STOPPED' as const,
      image: 'none',
      cleaned: true,
    };
    await control.store.db.transaction(async (tx) => {
      await insertJobs(
        tx,
        Array.from({ length: 5 }, () => ({ id: newId(), ...row })),
      );
    });
  }
}

const sql = connect(control.store.url, { maximum: 10 });
const plain = createServer(async (_request, response) => {
  const [row] = await sql`
    select json_build_object('environments', json_agg(e order by e.id))::text as body from (
      select id, name, namespace, kind, (select json_agg(s order by s.id) from (
        select id, label, type, scale, (select json_agg(j order by j.list_key desc) from (
          select id, type, state, health, created_at, list_key from jobs where service_id = services.id order by list_key desc limit 5
        ) j) as jobs from services where environment_id = environments.id and deleted_at is null order by id limit 10
      ) s) as services from environments where deleted_at is null order by id limit 10
    ) e`;
  response.setHeader('content-type', 'application/json');
  response.end(row?.body);
});
plain.listen(0, '127.0.0.1', () => {
  const address = plain.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  process.send?.({
    graphql: `${world.berth.url}/graphql`,
    plain: `http://127.0.0.1:${port}`,
    token: world.token,
  });
});

process.on('message', async () => {
  plain.closeAllConnections();
  plain.close();
  await sql.end();
  await world.close();
  process.exit(0);
});
