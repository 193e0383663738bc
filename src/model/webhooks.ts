// Webhooks of an environment: what an endpoint may be, when a delivery is tried again, and what an attempt leads to. Pure:
// chance and time are passed in.
import { InvalidInput } from '../errors.ts';
import type { EventType, Position } from './events.ts';

export const webhookLimits = {
  endpoints: 20,
  urlCharacters: 2_000,
  descriptionCharacters: 200,
  /** What is kept of an answer's body. */
  answerBytes: 2_048,
  /** From the look-up of the name to the last byte that is read. */
  attemptSeconds: 15,
  /** Newest attempts that are kept of a delivery. */
  attempts: 20,
  /** An endpoint with so many waiting takes no more out of the log until there are less. */
  waiting: 10_000,
  /** Those that have ended are kept so long, and at most so many of the newest of an endpoint. */
  keptDays: 30,
  kept: 10_000,
  /** How long the former secret may go on signing beside a new one. */
  overlapSeconds: { standard: 86_400, maximum: 604_800 },
  resent: 100,
} as const;

/** In place of an event that is no longer kept. */
export type DeliveredType = EventType | 'GAP';

export const deliveryStates = ['PENDING', 'SUCCEEDED', 'FAILED'] as const;
export type DeliveryState = (typeof deliveryStates)[number];

export const disabledReasons = ['REQUESTED', 'GONE', 'EXHAUSTED'] as const;
export type DisabledReason = (typeof disabledReasons)[number];

/** Waited after each failed try, with a fifth more by chance at most: nine tries over some 52 hours. */
export const retrySeconds: readonly number[] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000];
/** A receiver that asks for more time gets so much at most. */
const longestAskedSeconds = 43_200;

/** How one attempt went. */
export interface Attempt {
  /** Of the answer; null when there was none. */
  readonly status: number | null;
  /** The first 2 KiB of its body. */
  readonly answer: string;
  /** Why there was no answer, or why it doesn't count. */
  readonly error: string | null;
  /** Asked for by the receiver. */
  readonly retryAfterSeconds: number | null;
}

export type Verdict =
  | { readonly state: 'SUCCEEDED' }
  | { readonly state: 'PENDING'; readonly waitSeconds: number }
  /** The endpoint is disabled with it. */
  | { readonly state: 'FAILED'; readonly disable: Exclude<DisabledReason, 'REQUESTED'> };

/** `tries`: made so far, this one included. `chance`: from 0 to 1. */
export function judge(attempt: Attempt, tries: number, chance: number, waits = retrySeconds): Verdict {
  const { status, retryAfterSeconds } = attempt;
  if (status !== null && status >= 200 && status < 300) return { state: 'SUCCEEDED' };
  if (status === 410) return { state: 'FAILED', disable: 'GONE' };
  const wait = waits[tries - 1];
  if (wait === undefined) return { state: 'FAILED', disable: 'EXHAUSTED' };
  const asked = Math.min(retryAfterSeconds ?? 0, longestAskedSeconds);
  return { state: 'PENDING', waitSeconds: Math.max(asked, wait * (1 + 0.2 * chance)) };
}

/** The same for every try and every endpoint: what a receiver knows a repetition by. */
export function messageId({ environmentId, epoch, seq }: Position): string {
  return `msg_${environmentId.replaceAll('-', '')}_${epoch}_${seq}`;
}

/** What the operator allows of addresses. */
export interface WebhookReach {
  /** Networks are named that may be reached by plain HTTP. */
  readonly plain: boolean;
  /** There is a mail server. */
  readonly mail: boolean;
}

/** Whether its scheme is allowed; which addresses are is known when its host is looked up. */
export function checkWebhookUrl(value: string, reach: WebhookReach, path: readonly string[]): string {
  const refuse = (rule: string) => new InvalidInput(path, rule);
  if (value.length > webhookLimits.urlCharacters)
    throw refuse(`must be at most ${webhookLimits.urlCharacters} characters.`);
  if (!/^[\x21-\x7e]+$/.test(value) || !URL.canParse(value))
    throw refuse('must be an absolute URL in ASCII, such as https://example.org/hook.');
  const url = new URL(value);
  if (url.protocol === 'mailto:') {
    if (!reach.mail) throw refuse('can not be a mail address: the operator has named no mail server.');
    if (!/^mailto:[^\s@<>,;:"?%]+@[^\s@<>,;:"?%]+$/.test(value))
      throw refuse('must be one mail address behind mailto:, such as mailto:alarms@example.org.');
    return value;
  }
  if (url.protocol !== 'https:' && !(reach.plain && url.protocol === 'http:'))
    throw refuse('must begin with https://.');
  if (url.username !== '' || url.password !== '')
    throw refuse('must have no user name and no password; what is sent is signed.');
  if (url.hash !== '') throw refuse('must have no fragment: nothing of it would be sent.');
  if (url.port === '0') throw refuse('must have a port above 0.');
  return url.href;
}
