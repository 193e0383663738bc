// Whether every part works, for load balancers and people. Without a token, so it names the parts and nothing else.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { answer } from './answers.ts';

/** Messages are for anybody to read: no addresses, no versions, no secrets. */
export interface HealthReport {
  readonly healthy: boolean;
  readonly parts: Readonly<Record<string, { readonly healthy: boolean; readonly message: string }>>;
}

const patienceMs = 8_000;

export async function serveHealth(
  request: IncomingMessage,
  response: ServerResponse,
  health: () => Promise<HealthReport>,
): Promise<void> {
  const report = (await inTime(health().catch(() => undefined))) ?? silent;
  const body = `${JSON.stringify(report)}\n`;
  answer(request, response, report.healthy ? 200 : 503, body, { 'content-type': 'application/json' });
}

const silent: HealthReport = {
  healthy: false,
  parts: { health: { healthy: false, message: 'The parts could not be asked in time.' } },
};

async function inTime<T>(work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), patienceMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
