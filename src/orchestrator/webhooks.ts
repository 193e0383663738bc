// Sending events to webhooks. An endpoint is worked on by one replica at a time and sent one message after the other; a dead
// one costs nobody else: only half of the places are for those whose last attempt has failed. What an attempt came to is
// recorded under the claim alone: whoever dies between sending and recording has the same message sent again, by its id.
import { waitForAny } from '../clock.ts';
import {
  type Attempt,
  type DeliveryState,
  judge,
  messageId,
  retrySeconds,
  webhookLimits,
} from '../model/webhooks.ts';
import { change } from '../postgres/change.ts';
import {
  claimWebhooks,
  type DueDelivery,
  disableWebhook,
  holdWebhook,
  listWatchedEnvironments,
  type Made,
  nextDelivery,
  recordAttempt,
  releaseWebhook,
  takeFromLog,
  type WebhookClaim,
} from '../postgres/webhook-work.ts';
import { openWebhookSecrets, type WebhookRow } from '../postgres/webhooks.ts';
import { networks } from '../webhooks/addresses.ts';
import { mailAddress, sendMail } from '../webhooks/mail.ts';
import { type Message, send } from '../webhooks/send.ts';
import type { Bells } from './bells.ts';
import type { Deps } from './deps.ts';

const mostAtOnce = 16;
const mostFailing = 8;
const pollMs = 2_000;
const watchedForMs = 10_000;

interface Sending {
  readonly claim: WebhookClaim;
  readonly done: Promise<void>;
}

export async function sendWebhooks(deps: Deps, bells: Bells, signal: AbortSignal): Promise<void> {
  const sending = new Map<string, Sending>();
  const asked = bells.asked('webhooks');
  let watched = new Set<string>();
  let watchedUntil = 0;
  /** Something has happened while endpoints were attended to, perhaps behind their last look at the log. */
  let happened = false;
  const stopListening = deps.nudges.listen((topic) => {
    const changed = topic === undefined || topic === 'webhooks';
    if (changed) watchedUntil = 0;
    if (!changed && !(topic.startsWith('events:') && watched.has(topic.slice('events:'.length)))) return;
    happened = true;
    bells.ring('webhooks');
  });
  const ended = (webhookId: string, more: boolean) => {
    const wasFull = sending.size >= mostAtOnce;
    sending.delete(webhookId);
    if (!more && !wasFull && !happened) return;
    happened = false;
    bells.ring('webhooks');
  };
  while (!signal.aborted) {
    const rung = asked();
    try {
      if (deps.clock.now() >= watchedUntil) {
        watchedUntil = deps.clock.now() + watchedForMs;
        watched = new Set(await listWatchedEnvironments(deps.store.db));
      }
      if (watched.size > 0) await claimMore(deps, sending, ended, signal);
    } catch (error) {
      if (!signal.aborted) deps.logger.error({ err: error }, 'the work of webhooks failed; it goes on');
    }
    await waitForAny([rung], watched.size > 0 ? pollMs : watchedForMs, signal, deps.clock);
  }
  stopListening();
  await Promise.allSettled([...sending.values()].map(({ done }) => done));
}

async function claimMore(
  deps: Deps,
  sending: Map<string, Sending>,
  ended: (webhookId: string, more: boolean) => void,
  signal: AbortSignal,
): Promise<void> {
  const most = mostAtOnce - sending.size;
  if (most <= 0) return;
  const failing = [...sending.values()].filter(({ claim }) => claim.failing).length;
  const own = [...sending.keys()];
  const claimed: WebhookClaim[] = [];
  // Failing ones first, for they have few places: the others have the rest, and neither starves.
  for (const [failingOnes, places] of [
    [true, Math.min(most, mostFailing - failing)],
    [false, most],
  ] as const) {
    const wanted = { most: places - (failingOnes ? 0 : claimed.length), own, failing: failingOnes };
    if (wanted.most > 0) claimed.push(...(await claimWebhooks(deps.store, deps.replica, wanted)));
  }
  for (const claim of claimed) {
    const done = attendTo(deps, claim, signal)
      .catch((error: unknown) => {
        if (!signal.aborted)
          deps.logger.warn({ err: error, webhookId: claim.webhookId }, 'a webhook could not be attended to');
        return false;
      })
      .then((more) => ended(claim.webhookId, more));
    sending.set(claim.webhookId, { claim, done });
  }
}

/** Then others have their turn. */
const longestTurn = 100;

/**
 * Until nothing of it is due, or its turn is over, which a failed try ends: what else waits takes a place among the failing.
 * Says which, and gives it back with the time when something is due.
 */
async function attendTo(deps: Deps, claim: WebhookClaim, signal: AbortSignal): Promise<boolean> {
  let isOver = false;
  for (let sent = 1; !signal.aborted && !isOver; sent++) {
    const { value: row } = await change(deps, async ({ tx }) => {
      const held = await holdWebhook(tx, deps.replica, claim);
      if (held !== undefined && isActive(held)) await takeFromLog(tx, held);
      return held;
    });
    if (row === undefined) return false;
    const due = isActive(row) ? await nextDelivery(deps.store.db, row) : undefined;
    if (due === undefined) break;
    const state = await sendOne(deps, claim, row, due, signal);
    if (state === undefined) break;
    isOver = state !== 'SUCCEEDED' || sent === longestTurn;
  }
  await change(deps, ({ tx }) => releaseWebhook(tx, deps.replica, claim));
  return isOver;
}

function isActive({ enabled, deletedAt }: WebhookRow): boolean {
  return enabled && deletedAt === null;
}

/** What became of it; undefined when the endpoint is another's by now, or sent no more. */
async function sendOne(
  deps: Deps,
  claim: WebhookClaim,
  row: WebhookRow,
  { delivery, event, epoch }: DueDelivery,
  signal: AbortSignal,
): Promise<DeliveryState | undefined> {
  const place = { environmentId: row.environmentId, epoch, seq: delivery.seq };
  const startedAt = deps.clock.date();
  const from = deps.clock.now();
  const message = { id: messageId(place), at: startedAt, body: deps.webhookBody(event, place) };
  const attempt = await attemptAt(deps, row, message, signal);
  const made: Made = { ...attempt, startedAt, durationMs: Math.round(deps.clock.now() - from) };
  const waits = deps.settings.webhookRetrySeconds ?? retrySeconds;
  const verdict = judge(attempt, delivery.tries + 1, chanceOf(delivery.id, delivery.tries), waits);
  const { value: state } = await change(deps, async (current) => {
    const now = await holdWebhook(current.tx, deps.replica, claim);
    if (now === undefined) return undefined;
    await recordAttempt(current.tx, now, delivery, made, verdict);
    if (verdict.state !== 'FAILED' || !now.enabled) return verdict.state;
    await disableWebhook(current.tx, row.id, verdict.disable);
    const { environmentId, id: webhookId, url } = row;
    const why =
      verdict.disable === 'GONE'
        ? 'its receiver answered 410 Gone'
        : `an event could not be delivered in ${delivery.tries + 1} tries`;
    current.emit({
      environmentId,
      type: 'WEBHOOK_DISABLED',
      data: { webhookId, reason: verdict.disable },
      message: `The webhook to ${mailAddress(url) ?? new URL(url).host} is disabled: ${why}. Enable it when its receiver is well again.`,
    });
    return undefined;
  });
  return state;
}

async function attemptAt(
  { store, vault, settings }: Deps,
  { id, url }: WebhookRow,
  message: Message,
  signal: AbortSignal,
): Promise<Attempt> {
  const timeoutMs = webhookLimits.attemptSeconds * 1_000;
  const to = mailAddress(url);
  if (to === undefined) {
    const secrets = await openWebhookSecrets(store.db, vault, id);
    const allowed = networks(settings.webhookNetworks ?? []);
    return send({ url, secrets }, message, { allowed, timeoutMs }, signal);
  }
  if (settings.mail !== undefined) return sendMail(to, message, settings.mail, timeoutMs, signal);
  const error = 'the operator has named no mail server';
  return { status: null, answer: '', error, retryAfterSeconds: null };
}

/** From 0 to 1, the same for the same try: retries of many endpoints spread. */
function chanceOf(id: string, tries: number): number {
  const digits = Number.parseInt(id.replaceAll('-', '').slice(-6), 16);
  return ((digits * (tries + 1)) % 0xff_ff_ff) / 0xff_ff_ff;
}
