// One attempt to deliver a message as an e-mail: text made of the same body that webhooks carry, handed to the operator's own
// mail server. What that answers counts as an HTTP status would: 250 is well, anything else is tried again.
import { createTransport } from 'nodemailer';
import { type Attempt, webhookLimits } from '../model/webhooks.ts';
import type { Message } from './send.ts';

export interface MailServer {
  /** smtp:// or smtps://, with user and password where it wants them. */
  readonly url: string;
  readonly from: string;
}

/** The address behind `mailto:`; undefined for others. */
export function mailAddress(url: string): string | undefined {
  return url.startsWith('mailto:') ? decodeURIComponent(url.slice('mailto:'.length)) : undefined;
}

/** Rejects only when the signal fires. */
export async function sendMail(
  to: string,
  { id, at, body }: Message,
  { url, from }: MailServer,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Attempt> {
  const patience = { connectionTimeout: timeoutMs, greetingTimeout: timeoutMs, socketTimeout: timeoutMs };
  const transport = createTransport({ url, ...patience, disableFileAccess: true, disableUrlAccess: true });
  const closed = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const { promise: over, reject } = Promise.withResolvers<never>();
  over.catch(() => {});
  const end = () => {
    transport.close();
    reject(new Error(`there was no answer within ${timeoutMs / 1_000} s`));
  };
  closed.addEventListener('abort', end, { once: true });
  try {
    signal.throwIfAborted();
    const mail = { from, to, date: at, messageId: `<${id}@berth>`, ...wordsOf(body) };
    const { response } = await Promise.race([transport.sendMail(mail), over]);
    return answered(statusOf(response), response, null);
  } catch (error) {
    signal.throwIfAborted();
    const { responseCode, response = '', message } = error as Refused;
    return answered(responseCode ?? null, response, (message || 'it failed without a reason').slice(0, 500));
  } finally {
    closed.removeEventListener('abort', end);
    transport.close();
  }
}

interface Refused extends Error {
  readonly responseCode?: number;
  readonly response?: string;
}

function answered(status: number | null, answer: string, error: string | null): Attempt {
  return { status, answer: answer.slice(0, webhookLimits.answerBytes), error, retryAfterSeconds: null };
}

function statusOf(response: string): number {
  return Number(/^\d{3}/.exec(response)?.[0] ?? 250);
}

/** Subject and text; the body is our own. */
function wordsOf(body: string): { subject: string; text: string } {
  const { type, timestamp, data } = JSON.parse(body) as {
    readonly type: string;
    readonly timestamp: string | null;
    readonly data: { readonly message: string; readonly cursor: string; readonly details?: object };
  };
  const details = Object.entries(data.details ?? {}).map(
    ([name, value]) => `${name}: ${JSON.stringify(value)}`,
  );
  const lines = [data.message, '', `type: ${type}`, `time: ${timestamp ?? 'unknown'}`, ...details];
  return {
    // A header holds one line.
    subject: `[Berth] ${data.message.replace(/\s+/g, ' ').slice(0, 180)}`,
    text: [...lines, `cursor: ${data.cursor}`, ''].join('\n'),
  };
}
