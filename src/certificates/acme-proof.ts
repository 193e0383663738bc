// Proving to an authority that every host of an order leads here: publish the answers, tell the authority to look, ask it
// until it has decided, and withdraw the answers however it ended. All hosts at once, because each takes its seconds.
import type { Authorization, Client, Order } from 'acme-client';
import { AcmeFailed, hostsNotProven, sentenceOf } from './acme-failure.ts';
import { poll } from './acme-poll.ts';

export interface ChallengeAnswers {
  /** Resolves once `http://<host>/.well-known/acme-challenge/<token>` is answered with the key authorization; repeatable. */
  readonly publish: (token: string, keyAuthorization: string) => Promise<void>;
  /** Also called for a token whose publishing failed. */
  readonly withdraw: (token: string) => Promise<void>;
}

type Challenge = Authorization['challenges'][number];

interface Proof {
  readonly host: string;
  readonly challenge: Challenge;
  /** How often the authority was told to look. */
  asked: number;
}

/** Some authorities leave a host open after a look in vain and want to be told again; after so many it has failed. */
const mostAsked = 4;

export async function proveHosts(
  client: Client,
  order: Order,
  answers: ChallengeAnswers,
  seconds: number,
  signal: AbortSignal,
): Promise<void> {
  const proofs = proofsOf(await client.getAuthorizations(order));
  try {
    await settled(proofs.map((proof) => publish(client, proof, answers)));
    signal.throwIfAborted();
    await settled(proofs.map((proof) => tellToLook(client, proof)));
    await waitForVerdict(client, order, proofs, seconds, signal);
  } finally {
    // An answer that stays published harms nobody and is no reason to lose a certificate.
    await Promise.allSettled(proofs.map(({ challenge }) => answers.withdraw(challenge.token)));
  }
}

/** What the authority counts as proven from an earlier run needs nothing. */
function proofsOf(authorizations: readonly Authorization[]): Proof[] {
  return authorizations.flatMap(({ identifier, status, challenges }) => {
    if (status === 'valid') return [];
    const challenge = challenges.find(({ type }) => type === 'http-01');
    if (challenge !== undefined) return [{ host: identifier.value, challenge, asked: 0 }];
    throw hostsNotProven([
      { host: identifier.value, says: 'The authority offers no proof by HTTP for this host.' },
    ]);
  });
}

async function publish(client: Client, { challenge }: Proof, answers: ChallengeAnswers): Promise<void> {
  await answers.publish(challenge.token, await client.getChallengeKeyAuthorization(challenge));
}

/** A refusal may only say that the authority has looked already: its verdict on the host is asked for next anyway. */
async function tellToLook(client: Client, proof: Proof): Promise<void> {
  proof.asked += 1;
  try {
    await client.completeChallenge(proof.challenge);
  } catch (fault) {
    if (!(fault instanceof AcmeFailed) || !['REFUSED', 'UNREACHABLE'].includes(fault.kind)) throw fault;
  }
}

async function waitForVerdict(
  client: Client,
  order: Order,
  proofs: readonly Proof[],
  seconds: number,
  signal: AbortSignal,
): Promise<void> {
  let open: readonly Authorization[] = [];
  const done = await poll(
    async () => {
      const authorizations = await client.getAuthorizations(order);
      open = authorizations.filter(({ status }) => status !== 'valid');
      if (open.length === 0) return true;
      const undecided = open.filter((each) => each.status === 'pending' && !hasFailed(each, proofs));
      // All hosts are decided before one is told of: the person mends them in one go.
      if (undecided.length === 0) throw hostsNotProven(open.map((each) => failureOf(each)));
      await settled(toAskAgain(undecided, proofs).map((proof) => tellToLook(client, proof)));
      return undefined;
    },
    seconds,
    signal,
  );
  if (done === undefined) throw hostsNotProven(open.map((each) => failureOf(each, seconds)));
}

function toAskAgain(undecided: readonly Authorization[], proofs: readonly Proof[]): readonly Proof[] {
  const hosts = undecided.filter(sawError).map(({ identifier }) => identifier.value);
  return proofs.filter(({ host }) => hosts.includes(host));
}

function hasFailed(authorization: Authorization, proofs: readonly Proof[]): boolean {
  const proof = proofs.find(({ host }) => host === authorization.identifier.value);
  return sawError(authorization) && proof !== undefined && proof.asked >= mostAsked;
}

function sawError(authorization: Authorization): boolean {
  return httpChallenge(authorization)?.error !== undefined;
}

function failureOf(authorization: Authorization, seconds?: number): { host: string; says: string } {
  const silence =
    seconds === undefined ? `It is ${authorization.status}.` : `Not verified within ${seconds} seconds.`;
  const says = sentenceOf(httpChallenge(authorization)?.error) ?? silence;
  return { host: authorization.identifier.value, says };
}

function httpChallenge({ challenges }: Authorization): Challenge | undefined {
  return challenges.find(({ type }) => type === 'http-01');
}

/** Waits for all of them before the first failure is thrown, so that nothing goes on behind the caller's back. */
async function settled(these: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(these)) {
    if (result.status === 'rejected') throw result.reason;
  }
}
