// Whether every part works, for load balancers and people. Without a token, so it names the parts and nothing else, and
// however many ask, the parts are asked once a second at most.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { answer } from './answers.ts';

/** Messages are for anybody to read: no addresses, no versions, no secrets. */
export interface HealthReport {
  readonly healthy: boolean;
  readonly parts: Readonly<Record<string, { readonly healthy: boolean; readonly message: string }>>;
}

const patienceMs = 8_000;
const lookEveryMs = 1_000;

/** Looks that never fail and always end; whoever asks during one, or soon after it began, gets its report. */
export function shareLooks(look: () => Promise<HealthReport>): () => Promise<HealthReport> {
  let last: { readonly report: Promise<HealthReport>; readonly begunAt: number; ended: boolean } | undefined;
  return () => {
    if (last !== undefined && (!last.ended || performance.now() - last.begunAt < lookEveryMs))
      return last.report;
    const report = inTime(look().catch(() => undefined)).then((seen) => seen ?? silent);
    // Read after the look began, so that the next one never comes a moment too early.
    const begun = { report, begunAt: performance.now(), ended: false };
    void report.then(() => {
      begun.ended = true;
    });
    last = begun;
    return report;
  };
}

export async function serveHealth(
  request: IncomingMessage,
  response: ServerResponse,
  health: () => Promise<HealthReport>,
): Promise<void> {
  const report = await health();
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
