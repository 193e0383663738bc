// Tokens, and the viewer behind the one that is used.

import { type OrganizationRow, organizationOf, tokensPage } from '../control/loading.ts';
import * as control from '../control/tokens.ts';
import { isId } from '../ids.ts';
import type { Caller } from '../model/callers.ts';
import { builder } from './builder.ts';
import { pageRequest, toConnection } from './connections.ts';
import { renewLoaders } from './context.ts';
import { sized } from './environment.ts';
import { mutationErrors } from './errors.ts';
import { loadEach, loaded, localId } from './ids.ts';
import { callerOf } from './mutation.ts';
import { EnvironmentRef, TokenRef } from './refs.ts';
import { ScopeEnum } from './scalars.ts';

builder.node(TokenRef, {
  description:
    'A bearer token, without its secret. Visible to its bearer and to tokens with the scope `admin`.',
  id: { resolve: (row) => row.id, description: 'Global id.' },
  loadManyWithoutCache: (ids, { loaders }) => loadEach(loaders.token, ids),
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Name for people; stands as actor in events and audit.' }),
    scopes: t.expose('scopes', { type: [ScopeEnum], description: 'What it may do.' }),
    operator: t.exposeBoolean('operator', { description: 'Whether it speaks for the support side.' }),
    environment: t.field({
      type: EnvironmentRef,
      nullable: true,
      description: 'The one environment it is bound to; null when to none.',
      resolve: (row, _args, { loaders }) =>
        row.environmentId === null ? null : loaders.environment.load(row.environmentId),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it ends by itself; null for never.',
    }),
    lastUsedAt: t.expose('lastUsedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was last used, to the minute.',
    }),
    revokedAt: t.expose('revokedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was revoked; null unless it was.',
    }),
  }),
});

const OrganizationRef = builder.objectRef<OrganizationRow>('Organization').implement({
  description: 'Owns environments; its members act on them through tokens.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Its name.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was created.' }),
  }),
});

const ViewerRef = builder.objectRef<Caller>('Viewer').implement({
  description: 'Who calls, and what it may do.',
  fields: (t) => ({
    name: t.string({ description: 'Name of the token.', resolve: (caller) => caller.tokenName }),
    scopes: t.field({
      type: [ScopeEnum],
      description: 'What it may do.',
      resolve: (caller) => [...caller.scopes],
    }),
    operator: t.exposeBoolean('operator', { description: 'Whether it speaks for the support side.' }),
    organization: t.field({
      type: OrganizationRef,
      description: 'Whose environments it acts on.',
      resolve: (caller, _args, { control: room }) => loaded(organizationOf(room, caller)),
    }),
    token: t.field({
      type: TokenRef,
      description: 'The token that is used.',
      resolve: (caller, _args, { loaders }) => loaded(loaders.token.load(caller.tokenId)),
    }),
    tokens: t.connection(
      {
        type: TokenRef,
        description: 'Tokens of the organization that the caller may see, newest first.',
        complexity: sized,
        resolve: async (caller, args, context) => {
          const request = pageRequest(args, isId);
          return toConnection(await tokensPage(context.control, caller, request), request, (row) => row.id);
        },
      },
      { name: 'TokenConnection', description: 'A page of tokens.' },
      { name: 'TokenEdge', description: 'One token in its list.' },
    ),
  }),
});

builder.queryField('viewer', (t) =>
  t.field({
    type: ViewerRef,
    description: 'Who calls. Needs any valid token.',
    authScopes: { signedIn: true },
    resolve: (_root, _args, context) => callerOf(context),
  }),
);

const CreateTokenInput = builder.inputType('CreateTokenInput', {
  description: 'A token to make.',
  fields: (t) => ({
    name: t.string({ description: 'Name for people, 1 to 80 characters.' }),
    scopes: t.field({ type: [ScopeEnum], description: 'What it may do; nothing that its maker may not.' }),
    environmentId: t.id({ required: false, description: 'Bound to this environment it sees no other.' }),
    expiresAt: t.field({
      type: 'DateTime',
      required: false,
      description: 'When it ends by itself; never when absent.',
    }),
    operator: t.boolean({ required: false, description: 'Operators only: it speaks for the support side.' }),
    idempotencyKey: t.string({
      required: false,
      description: 'The same key has one effect; a repetition answers without the secret.',
    }),
  }),
});

const CreateTokenPayload = builder
  .objectRef<{ tokenId: string; secret: string | undefined }>('CreateTokenPayload')
  .implement({
    description: 'The new token.',
    fields: (t) => ({
      token: t.field({
        type: TokenRef,
        description: 'The token, without its secret.',
        resolve: ({ tokenId }, _args, { loaders }) => loaded(loaders.token.load(tokenId)),
      }),
      secret: t.exposeString('secret', {
        nullable: true,
        description:
          'To be sent as Authorization: Bearer. Shown this once; null when an idempotency key was repeated.',
      }),
    }),
  });

const RevokeTokenInput = builder.inputType('RevokeTokenInput', {
  description: 'A token to revoke.',
  fields: (t) => ({ tokenId: t.id({ description: 'Which token.' }) }),
});

const RevokeTokenPayload = builder.objectRef<{ tokenId: string }>('RevokeTokenPayload').implement({
  description: 'The revoked token.',
  fields: (t) => ({
    token: t.field({
      type: TokenRef,
      description: 'The token.',
      resolve: ({ tokenId }, _args, { loaders }) => loaded(loaders.token.load(tokenId)),
    }),
  }),
});

builder.mutationFields((t) => ({
  createToken: t.field({
    type: CreateTokenPayload,
    description:
      "Makes a token; its secret is shown once. It belongs to no environment's log, so its payload has no cursor. Needs the scope `admin`.",
    authScopes: { signedIn: true },
    errors: {
      types: mutationErrors,
      directResult: true,
      union: { name: 'CreateTokenResult', description: 'The payload of createToken, or why it was refused.' },
    },
    args: { input: t.arg({ type: CreateTokenInput, description: 'Everything it needs.' }) },
    resolve: async (_root, { input }, context) => {
      const environmentId =
        input.environmentId == null
          ? null
          : localId('Environment', input.environmentId, ['input', 'environmentId']);
      const made = await control.createToken(context.control, callerOf(context), { ...input, environmentId });
      renewLoaders(context);
      return made;
    },
  }),
  revokeToken: t.field({
    type: RevokeTokenPayload,
    description:
      'Ends a token at once; its live connections end within two seconds. Needs the scope `admin`.',
    authScopes: { signedIn: true },
    errors: {
      types: mutationErrors,
      directResult: true,
      union: { name: 'RevokeTokenResult', description: 'The payload of revokeToken, or why it was refused.' },
    },
    args: { input: t.arg({ type: RevokeTokenInput, description: 'Everything it needs.' }) },
    resolve: async (_root, { input }, context) => {
      const tokenId = localId('Token', input.tokenId, ['input', 'tokenId']);
      const revoked = await control.revokeToken(context.control, callerOf(context), { tokenId });
      renewLoaders(context);
      return revoked;
    },
  }),
}));
