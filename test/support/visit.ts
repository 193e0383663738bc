// One visit of a site, by host name at a given address: as a browser comes, but told where to go.
import { type Agent, request } from 'node:http';

export interface Visited {
  /** The status, or the code of the error. */
  readonly status: string;
  readonly body: string;
}

export function visit(
  at: { readonly address?: string; readonly port: number },
  host: string,
  agent: Agent | false = false,
): Promise<Visited> {
  return new Promise((resolve) => {
    const to = { host: at.address ?? '127.0.0.1', port: at.port };
    const asking = request({ ...to, headers: { host }, agent, timeout: 5_000 });
    asking.on('response', (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ status: String(response.statusCode), body: body.trim() }));
    });
    asking.on('error', (error: NodeJS.ErrnoException) =>
      resolve({ status: error.code ?? error.message, body: '' }),
    );
    asking.end();
  });
}
