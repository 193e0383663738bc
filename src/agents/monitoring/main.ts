// The program in the monitoring service's container. Reads where it is, starts the agent, and ends cleanly on TERM; when the
// agent can't go on it ends with 1 and is started anew by the engine.
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { runCheck } from '../../checks/run.ts';
import { openLog } from '../../log.ts';
import { monitoringAgent } from '../../model/monitoring/agent.ts';
import { startAgent } from './agent.ts';

const settings = z.object({
  /** The container's only way in is the environment's network, on whatever address it has there. */
  BERTH_AGENT_HOST: z.string().default('0.0.0.0'),
  BERTH_AGENT_PORT: z.coerce.number().int().min(0).max(65_535).default(monitoringAgent.port),
  BERTH_AGENT_DATA: z.string().default(monitoringAgent.dataPath),
  BERTH_AGENT_SERVER: z.string().default(monitoringAgent.files.server),
  BERTH_AGENT_AUTHORITY: z.string().default(monitoringAgent.files.authority),
});

// Results and configuration are nobody else's to read.
process.umask(0o077);
const log = openLog(undefined, 1);

try {
  const given = settings.parse(process.env);
  const agent = await startAgent({
    folder: given.BERTH_AGENT_DATA,
    host: given.BERTH_AGENT_HOST,
    port: given.BERTH_AGENT_PORT,
    serverPem: readFileSync(given.BERTH_AGENT_SERVER, 'utf8'),
    authorityPem: readFileSync(given.BERTH_AGENT_AUTHORITY, 'utf8'),
    run: ({ type, target, settings, thresholds, timeoutSeconds }) =>
      runCheck(type, target, settings, thresholds, timeoutSeconds * 1000),
    log,
  });
  const told = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  await Promise.race([told, agent.failure]);
  await agent.close();
  process.exit(0);
} catch (fault) {
  log.fatal({ err: fault }, 'The agent ends.');
  process.exit(1);
}
