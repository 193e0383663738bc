// One HTTP request to a job from outside its container: healthy when the status is among the expected ones. The body isn't
// waited for, redirects aren't followed.
import { request } from 'node:http';
import type { ProbeResult } from './probe.ts';

export interface HttpTarget {
  readonly port: number;
  readonly path: string;
  readonly expectedStatus: { readonly from: number; readonly to: number };
}

export function probeHttp(address: string, target: HttpTarget, timeoutMs: number): Promise<ProbeResult> {
  const { port, path, expectedStatus } = target;
  const asked = `GET ${path} on port ${port}`;
  return new Promise((resolve) => {
    const asking = request({
      host: address,
      port,
      path,
      agent: false,
      headers: { 'user-agent': 'Berth health check', connection: 'close' },
    });
    const timer = setTimeout(
      () => answer(false, `${asked} was not answered within ${timeoutMs} ms.`),
      timeoutMs,
    );
    function answer(healthy: boolean, output: string): void {
      clearTimeout(timer);
      asking.destroy();
      resolve({ healthy, output });
    }
    asking.on('response', ({ statusCode = 0 }) => {
      const { from, to } = expectedStatus;
      const healthy = statusCode >= from && statusCode <= to;
      const wanted = from === to ? `${from}` : `${from} to ${to}`;
      answer(
        healthy,
        `${asked} was answered with ${statusCode}${healthy ? '.' : `; ${wanted} is expected.`}`,
      );
    });
    // Stays after the answer: a connection cut off late must not become an uncaught error.
    asking.on('error', (error: NodeJS.ErrnoException) =>
      answer(false, `${asked} failed (${error.code ?? error.message}).`),
    );
    asking.end();
  });
}
