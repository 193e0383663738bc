// Who calls, and what that caller may do. Default deny: an action that isn't listed here can't be asked for.
import { Forbidden, NotFound } from '../errors.ts';

export const scopes = ['read', 'deploy', 'secrets:read', 'admin'] as const;
export type Scope = (typeof scopes)[number];

/** A token's bearer. People, their roles and sessions will be a second kind. */
export interface Caller {
  readonly tokenId: string;
  readonly tokenName: string;
  readonly organizationId: string;
  /** A token bound to one environment sees no other. */
  readonly environmentId: string | null;
  readonly scopes: readonly Scope[];
  /** The support side of the installation. */
  readonly operator: boolean;
  /** Address the request came from; undefined for work the platform does by itself. */
  readonly address: string | undefined;
}

export type Action = 'READ' | 'DEPLOY' | 'READ_SECRETS' | 'MANAGE_ENVIRONMENTS' | 'MANAGE_TOKENS' | 'OPERATE';

const needed: Record<Exclude<Action, 'OPERATE'>, Scope> = {
  READ: 'read',
  DEPLOY: 'deploy',
  READ_SECRETS: 'secrets:read',
  MANAGE_ENVIRONMENTS: 'admin',
  MANAGE_TOKENS: 'admin',
};

/** Where a thing belongs, as far as permission is concerned. */
export interface Place {
  readonly organizationId: string;
  readonly environmentId: string | null;
}

export function may(caller: Caller, action: Action): boolean {
  return action === 'OPERATE' ? caller.operator : caller.scopes.includes(needed[action]);
}

/** Whether the caller can know that this place exists at all. */
export function sees(caller: Caller, place: Place): boolean {
  return (
    may(caller, 'READ') &&
    caller.organizationId === place.organizationId &&
    (caller.environmentId === null || caller.environmentId === place.environmentId)
  );
}

/** NotFound when the caller can't see the place, Forbidden when it sees it and may not do this. */
export function authorise(caller: Caller, action: Action, place: Place, what: string, path: string[]): void {
  if (!sees(caller, place)) throw new NotFound(what, path);
  authoriseAction(caller, action);
}

export function authoriseAction(caller: Caller, action: Action): void {
  if (may(caller, action)) return;
  const how =
    action === 'OPERATE'
      ? 'Only an operator of this installation may do this.'
      : `The token needs the scope ${needed[action]}.`;
  throw new Forbidden(`${how} Ask an administrator for a token that has it.`);
}
