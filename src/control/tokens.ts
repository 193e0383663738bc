// Tokens: made, shown once, revoked, and turned into callers. A token reads berth_<40 hexadecimal digits><8 of checksum>,
// 160 random bits; only its SHA-256 is stored.
import { createHash, randomBytes } from 'node:crypto';
import { Forbidden, InvalidInput, NotFound } from '../errors.ts';
import { newId } from '../ids.ts';
import { authoriseAction, type Caller, type Scope, scopes } from '../model/callers.ts';
import { checkName } from '../model/rules.ts';
import { type Change, change } from '../postgres/change.ts';
import { keepResult } from '../postgres/idempotency.ts';
import { readClock } from '../postgres/open.ts';
import {
  findTokenByHash,
  insertToken,
  listTokensById,
  noteTokenUse,
  type TokenRow,
  revokeToken as writeRevoked,
} from '../postgres/tokens.ts';
import { type Control, earlierResult, keyUse } from './control.ts';
import { environmentFor } from './places.ts';

const shape = /^berth_([0-9a-f]{40})([0-9a-f]{8})$/;

export function makeToken(): string {
  const random = randomBytes(20).toString('hex');
  return `berth_${random}${checksum(random)}`;
}

export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

function checksum(random: string): string {
  return createHash('sha256').update(`berth token ${random}`).digest('hex').slice(0, 8);
}

/** The caller behind a token; undefined for anything that isn't a valid one. A mistyped one never reaches the database. */
export async function authenticate(
  control: Control,
  token: string,
  address: string | undefined,
): Promise<Caller | undefined> {
  const parts = shape.exec(token);
  if (parts === null || checksum(parts[1] ?? '') !== parts[2]) return undefined;
  const row = await findTokenByHash(control.store.db, hashToken(token));
  if (row === undefined) return undefined;
  if (row.lastUsedAt === null || Date.now() - row.lastUsedAt.getTime() > 60_000)
    void noteTokenUse(control.store, row.id).catch(() => {});
  return callerFor(row, address);
}

export function callerFor(row: TokenRow, address: string | undefined): Caller {
  const { id: tokenId, name: tokenName, organizationId, environmentId, scopes: granted, operator } = row;
  return { tokenId, tokenName, organizationId, environmentId, scopes: granted, operator, address };
}

export interface CreateTokenInput {
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly environmentId?: string | null | undefined;
  readonly expiresAt?: Date | null | undefined;
  readonly operator?: boolean | null | undefined;
  readonly idempotencyKey?: string | null | undefined;
}

/** `secret` is there the first time only; a repetition with the same idempotency key answers without it. */
export async function createToken(
  control: Control,
  caller: Caller,
  input: CreateTokenInput,
): Promise<{ readonly tokenId: string; readonly secret: string | undefined }> {
  const use = keyUse(control, caller, { name: 'createToken', input });
  const { value } = await change(control, async (current) => {
    const earlier = use && (await earlierResult(current, use));
    if (earlier?.result.tokenId !== undefined) return { tokenId: earlier.result.tokenId, secret: undefined };
    const secret = makeToken();
    const tokenId = newId();
    const row = await checkToken(current, caller, input);
    await insertToken(current.tx, { ...row, id: tokenId, hash: hashToken(secret) });
    const subject = { environmentId: row.environmentId, subjectType: 'Token', subjectId: tokenId };
    current.audit({ caller, action: 'createToken', ...subject, after: row.scopes.join(' ') });
    if (use !== undefined) await keepResult(current.tx, use, { tokenId });
    return { tokenId, secret };
  });
  return value;
}

async function checkToken(current: Change, caller: Caller, input: CreateTokenInput) {
  authoriseAction(caller, 'MANAGE_TOKENS');
  const name = checkName(input.name, ['input', 'name']);
  if (input.scopes.length === 0)
    throw new InvalidInput(['input', 'scopes'], `must name one of ${scopes.join(', ')}.`);
  const missing = input.scopes.find((scope) => !caller.scopes.includes(scope));
  if (missing !== undefined)
    throw new Forbidden(`A token can't grant ${missing}, which its maker doesn't have.`);
  if (input.operator === true) authoriseAction(caller, 'OPERATE');
  if (input.expiresAt != null && input.expiresAt <= (await readClock(current.tx)))
    throw new InvalidInput(['input', 'expiresAt'], 'must lie in the future.');
  const environmentId = input.environmentId ?? caller.environmentId;
  if (environmentId !== null) await environmentFor(current, caller, 'MANAGE_TOKENS', environmentId);
  return {
    organizationId: caller.organizationId,
    environmentId,
    name,
    scopes: [...new Set(input.scopes)],
    operator: input.operator ?? false,
    expiresAt: input.expiresAt ?? null,
    createdBy: caller.tokenName,
  };
}

/** Live sockets and streams of the token end within two seconds, on every replica. */
export async function revokeToken(
  control: Control,
  caller: Caller,
  input: { readonly tokenId: string },
): Promise<{ readonly tokenId: string }> {
  const { value } = await change(control, async (current) => {
    const path = ['input', 'tokenId'];
    // First: who may not manage tokens isn't told which there are.
    authoriseAction(caller, 'MANAGE_TOKENS');
    const [row] = await listTokensById(current.tx, [input.tokenId]);
    const visible =
      row !== undefined &&
      row.organizationId === caller.organizationId &&
      (caller.environmentId === null || caller.environmentId === row.environmentId);
    if (!visible) throw new NotFound('token', path);
    if (row.operator) authoriseAction(caller, 'OPERATE');
    await writeRevoked(current.tx, row.id);
    const subject = { environmentId: row.environmentId, subjectType: 'Token', subjectId: row.id };
    current.audit({ caller, action: 'revokeToken', ...subject });
    current.nudge('tokens');
    return { tokenId: row.id };
  });
  return value;
}
