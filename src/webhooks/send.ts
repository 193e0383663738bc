// One attempt to deliver a message by the Standard Webhooks specification: signed with every secret that is valid, sent to an
// address that was looked at, within a deadline that holds for all of it. A redirect is an answer like others and not followed.
import { once } from 'node:events';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { type Attempt, webhookLimits } from '../model/webhooks.ts';
import { AddressRefused, addressFor, type Reach } from './addresses.ts';

export interface Message {
  readonly id: string;
  readonly at: Date;
  readonly body: string;
}

export interface Destination {
  readonly url: string;
  /** Newest first. */
  readonly secrets: readonly string[];
}

export interface SendOptions extends Reach {
  readonly timeoutMs: number;
}

/** The text of an answer is shown to people and waited for no longer. */
const textMs = 1_000;

/** Rejects only when the signal fires. */
export async function send(
  { url, secrets }: Destination,
  message: Message,
  options: SendOptions,
  signal: AbortSignal,
): Promise<Attempt> {
  const late = AbortSignal.timeout(options.timeoutMs);
  const over = AbortSignal.any([late, signal]);
  const heard: Heard = { response: undefined, body: Buffer.alloc(0) };
  try {
    await Promise.race([
      talk(new URL(url), headersOf(secrets, message), message.body, options, heard, over),
      abortion(over),
    ]);
  } catch (error) {
    signal.throwIfAborted();
    // The status is what counts; of the body is kept what had come.
    if (heard.response === undefined) return noAnswer(reasonOf(error, late.aborted, options.timeoutMs));
  }
  return heard.response === undefined
    ? noAnswer('there was no answer')
    : answered(heard.response, heard.body);
}

interface Heard {
  response: IncomingMessage | undefined;
  body: Buffer;
}

function headersOf(secrets: readonly string[], { id, at, body }: Message): Record<string, string> {
  return {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    'user-agent': 'Berth webhook',
    connection: 'close',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, at, body)).join(' '),
  };
}

async function talk(
  url: URL,
  headers: Record<string, string>,
  body: string,
  reach: Reach,
  heard: Heard,
  signal: AbortSignal,
): Promise<void> {
  const address = await addressFor(url, reach);
  signal.throwIfAborted();
  let asking: ClientRequest | undefined;
  let late: NodeJS.Timeout | undefined;
  try {
    asking = ask(url, address, headers, signal);
    asking.end(body);
    const [response] = (await once(asking, 'response')) as [IncomingMessage];
    heard.response = response;
    // The status is the answer; its text is only shown, and not waited for long.
    late = setTimeout(() => response.destroy(), textMs);
    await readText(response, heard);
  } finally {
    clearTimeout(late);
    asking?.destroy();
  }
}

async function readText(response: IncomingMessage, heard: Heard): Promise<void> {
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      heard.body = Buffer.concat([heard.body, chunk]);
      if (heard.body.length >= webhookLimits.answerBytes) break;
    }
  } catch {
    // What has come of it is kept.
  }
}

function ask(url: URL, address: string, headers: Record<string, string>, signal: AbortSignal): ClientRequest {
  const name = url.hostname.replace(/^\[|\]$/g, '');
  const plain = url.protocol === 'http:';
  const options = {
    host: address,
    port: url.port === '' ? (plain ? 80 : 443) : Number(url.port),
    path: `${url.pathname}${url.search}`,
    method: 'POST',
    agent: false,
    signal,
    headers: { host: url.host, ...headers },
  } as const;
  const asking = plain
    ? httpRequest(options)
    : httpsRequest({
        ...options,
        // By name; a certificate for an address names the address.
        ...(isIP(name) === 0 ? { servername: name } : { servername: '' }),
      });
  // Stays after the answer: a connection cut off late must not become an uncaught error.
  return asking.on('error', () => {});
}

function abortion(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fire = () => reject(signal.reason as Error);
    if (signal.aborted) fire();
    else signal.addEventListener('abort', fire, { once: true });
  });
}

function answered(response: IncomingMessage, body: Buffer): Attempt {
  const status = response.statusCode ?? 0;
  const isRedirect = status >= 300 && status < 400;
  return {
    status,
    answer: body.subarray(0, webhookLimits.answerBytes).toString('utf8'),
    error:
      status >= 200 && status < 300
        ? null
        : isRedirect
          ? 'redirects are not followed'
          : `the answer was ${status}`,
    retryAfterSeconds: retryAfter(response.headers['retry-after']),
  };
}

function noAnswer(error: string): Attempt {
  return { status: null, answer: '', error, retryAfterSeconds: null };
}

/** In seconds, or as a date. */
function retryAfter(header: string | undefined): number | null {
  if (header === undefined) return null;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header);
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, (at - Date.now()) / 1000);
}

function reasonOf(error: unknown, late: boolean, timeoutMs: number): string {
  if (error instanceof AddressRefused) return error.message;
  if (late) return `there was no answer within ${timeoutMs / 1000} s`;
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ECONNREFUSED':
      return `nothing listens there (${code})`;
    case 'ECONNRESET':
    case 'EPIPE':
      return `the connection was cut before an answer (${code})`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `there is no way to it (${code})`;
  }
  return (message || code || 'it failed without a reason').slice(0, 500);
}
