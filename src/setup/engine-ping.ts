// Whether a Docker Engine answers at a host, and if not, why. One request with a deadline; never throws.
import { readFileSync } from 'node:fs';
import { type RequestOptions, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { join } from 'node:path';

export type Answer =
  | { readonly kind: 'OK' }
  /** Something listens there, and this user may not talk to it. */
  | { readonly kind: 'FORBIDDEN' }
  | { readonly kind: 'NONE'; readonly reason: string };

const pingMilliseconds = 5_000;

export function ping(host: string): Promise<Answer> {
  return new Promise((resolve) => {
    const none = (reason: string): void => resolve({ kind: 'NONE', reason });
    try {
      const { secure, options } = target(host);
      const signal = AbortSignal.timeout(pingMilliseconds);
      const request = (secure ? requestHttps : requestHttp)(
        { ...options, path: '/_ping', signal },
        (response) => {
          response.resume();
          if (response.statusCode === 200) resolve({ kind: 'OK' });
          else none(`it answers with status ${response.statusCode}`);
        },
      );
      request.on('error', (fault: NodeJS.ErrnoException) => {
        if (fault.code === 'EACCES') resolve({ kind: 'FORBIDDEN' });
        else none(fault.name === 'AbortError' ? 'no answer in 5 s' : fault.message);
      });
      request.end();
    } catch (fault) {
      none(fault instanceof Error ? fault.message : String(fault));
    }
  });
}

/** `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH` mean what they mean to Docker's own client. */
function target(host: string): { secure: boolean; options: RequestOptions } {
  if (host.startsWith('unix://')) {
    return { secure: false, options: { socketPath: host.slice('unix://'.length) } };
  }
  const url = new URL(host);
  if (!['tcp:', 'http:', 'https:'].includes(url.protocol)) {
    throw new Error(`${url.protocol}// is no address that Berth can reach; use unix:// or tcp://`);
  }
  const secure = url.protocol === 'https:' || Boolean(process.env.DOCKER_TLS_VERIFY);
  const place = { hostname: url.hostname, port: url.port || (secure ? 2376 : 2375) };
  const folder = process.env.DOCKER_CERT_PATH;
  if (!secure || !folder) return { secure, options: place };
  const [ca, cert, key] = ['ca.pem', 'cert.pem', 'key.pem'].map((name) => readFileSync(join(folder, name)));
  return { secure, options: { ...place, ca, cert, key } as RequestOptions };
}
