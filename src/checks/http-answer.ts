// One HTTP request: its status, its times and, where asked for, a text in its body. Redirects are answers like others. With
// TLS the certificate is verified against the authorities that the settings give, or not at all.
import { once } from 'node:events';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { z } from 'zod';
import type { CheckTarget } from '../model/monitoring/agent.ts';
import type { Observation } from '../model/monitoring/observations.ts';
import type { CheckType } from './check-type.ts';
import { hear, longestAnswer, reasonOf } from './connection.ts';
import { milliseconds } from './server-look.ts';
import { authorities, settingText } from './settings.ts';

const status = z.int().min(100).max(599);

const schema = z
  .strictObject({
    path: z
      .string()
      .max(1_024)
      .regex(/^\/[\x21-\x7e]*$/, 'must begin with / and have visible ASCII characters only.')
      .default('/'),
    method: z.enum(['GET', 'HEAD']).default('GET'),
    /** Empty: the target's name and port. */
    hostHeader: z
      .string()
      .regex(/^[A-Za-z0-9_.:[\]-]{0,255}$/, 'must be a host name, with a port if wanted.')
      .default(''),
    expectedStatus: z
      .strictObject({ from: status, to: status })
      .refine(({ from, to }) => from <= to, { message: 'must not be below from.', path: ['to'] })
      .default({ from: 200, to: 399 }),
    /** Must be in the first 64 KiB of the body; empty: any body will do. */
    contains: settingText(1_000).default(''),
    tls: z.boolean().default(false),
    authorities,
  })
  .refine(({ method, contains }) => method === 'GET' || contains === '', {
    message: 'is for GET only: HEAD is answered without a body.',
    path: ['contains'],
  });

type Settings = Readonly<z.infer<typeof schema>>;

export const httpAnswer: CheckType<Settings> = {
  type: 'HTTP',
  title: 'HTTP',
  description: 'Whether an HTTP request is answered with an expected status and, if asked for, a text.',
  thresholds: [{ metric: 'total_time', bad: 'ABOVE', warning: 2_000, critical: 8_000 }],
  standard: { intervalSeconds: 30, timeoutSeconds: 10 },
  schema,
  settings: schema.parse({}),
  look,
};

async function look(target: CheckTarget, settings: Settings, signal: AbortSignal): Promise<Observation> {
  const asked = `${settings.method} ${settings.path} at ${target.host}:${target.port}`;
  const began = performance.now();
  let asking: ClientRequest | undefined;
  let connectedAt = began;
  try {
    asking = ask(target, settings, signal);
    asking.on('socket', (socket) => {
      socket.once(settings.tls ? 'secureConnect' : 'connect', () => {
        connectedAt = performance.now();
      });
    });
    const [response] = (await once(asking, 'response')) as [IncomingMessage];
    const answeredAt = performance.now();
    const body = await hear(response, () => false);
    const { statusCode = 0 } = response;
    const metrics = [
      milliseconds('connect_time', connectedAt - began),
      milliseconds('first_byte_time', answeredAt - began),
      milliseconds('total_time', performance.now() - began),
      { name: 'status', value: statusCode, unit: '' },
      { name: 'size', value: body.length, unit: 'B' },
    ];
    const faults = faultsOf(settings, statusCode, body);
    const output = [`${asked} was answered with ${statusCode}.`, ...faults].join(' ');
    return { state: faults.length > 0 ? 'CRITICAL' : 'OK', output, metrics };
  } catch (error) {
    return { state: 'CRITICAL', output: `${asked}: ${reasonOf(error, target)}.`, metrics: [] };
  } finally {
    asking?.destroy();
  }
}

function ask({ host, port }: CheckTarget, settings: Settings, signal: AbortSignal): ClientRequest {
  const { path, method, hostHeader, tls, authorities: ca } = settings;
  const headers = {
    'user-agent': 'Berth check',
    connection: 'close',
    ...(hostHeader !== '' && { host: hostHeader }),
  };
  const options = { host, port, path, method, agent: false, signal, headers } as const;
  const name = hostHeader.replace(/:\d*$/, '') || host;
  const asking = tls
    ? httpsRequest({
        ...options,
        // An address can't be asked for by name; left out, the host header would be taken.
        servername: isIP(name) === 0 ? name : '',
        rejectUnauthorized: ca !== '',
        ...(ca !== '' && { ca }),
      })
    : httpRequest(options);
  // Stays after the answer: a connection cut off late must not become an uncaught error.
  asking.on('error', () => {});
  return asking.end();
}

function faultsOf({ expectedStatus, contains }: Settings, statusCode: number, body: Buffer): string[] {
  const { from, to } = expectedStatus;
  const faults: string[] = [];
  if (statusCode < from || statusCode > to)
    faults.push(`${from === to ? from : `${from} to ${to}`} is expected.`);
  if (!body.includes(contains)) {
    const where = body.length < longestAnswer ? 'The body' : 'The beginning of the body';
    faults.push(`${where} does not contain ${JSON.stringify(contains)}.`);
  }
  return faults;
}
