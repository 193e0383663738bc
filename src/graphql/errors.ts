// Typed errors: the refusals of src/errors.ts as GraphQL types, one each.
import {
  Conflict,
  type ErrorCode,
  Forbidden,
  InvalidInput,
  LimitReached,
  NotFound,
  NotRedeployable,
  type Refusal,
  Stale,
  Unavailable,
} from '../errors.ts';
import { builder } from './builder.ts';
import { described } from './described.ts';
import { writeGlobalId } from './global-id.ts';
import { loaded } from './ids.ts';
import { ServiceRef } from './refs.ts';

const codes = [
  'INVALID',
  'NOT_FOUND',
  'FORBIDDEN',
  'CONFLICT',
  'STALE',
  'LIMIT',
  'NOT_REDEPLOYABLE',
  'UNAVAILABLE',
] as const satisfies readonly ErrorCode[];

const ErrorCodeEnum = builder.enumType('ErrorCode', {
  description: 'The kind of a refusal, stable for programs.',
  values: described(codes, {
    INVALID: 'The input breaks a rule; `path` names the field.',
    NOT_FOUND: 'No such thing that the caller may see; unknown and forbidden ids are not told apart.',
    FORBIDDEN: 'The caller sees the thing and its token may not do this.',
    CONFLICT: 'Something that exists or is under way stands in the way.',
    STALE: 'What the caller decided on (a plan, a revision) has changed since; read again.',
    LIMIT: 'A counted limit would be passed.',
    NOT_REDEPLOYABLE:
      'The service carries a customization or is operated by the platform; open a support ticket.',
    UNAVAILABLE: 'A needed part does not answer; trying again later may help.',
  }),
});

export const UserError = builder.interfaceRef<Refusal>('UserError').implement({
  description: 'A refusal a person can act on. Nothing was changed.',
  fields: (t) => ({
    message: t.exposeString('message', {
      description: 'What is wrong and what to do, in one or two sentences.',
    }),
    code: t.field({ type: ErrorCodeEnum, description: 'Its kind.', resolve: (error) => error.code }),
    path: t.stringList({
      description:
        'The input field it is about, outermost first, list items by index; empty when it is about none.',
      resolve: (error) => [...error.inputPath],
    }),
  }),
});

const plain = { interfaces: [UserError] };

builder.objectType(InvalidInput, {
  ...plain,
  name: 'ValidationError',
  description: 'The input breaks a rule that the message names.',
});
builder.objectType(NotFound, {
  ...plain,
  name: 'NotFoundError',
  description: 'No such thing is visible to the caller.',
});
builder.objectType(Forbidden, {
  ...plain,
  name: 'ForbiddenError',
  description: 'The token may not do this.',
});
builder.objectType(Stale, {
  ...plain,
  name: 'StalePlanError',
  description: 'A plan or revision that the caller gave is no longer the present one.',
});
builder.objectType(Unavailable, {
  ...plain,
  name: 'UnavailableError',
  description: 'A needed part does not answer.',
});
builder.objectType(Conflict, {
  ...plain,
  name: 'ConflictError',
  description: 'Something stands in the way.',
  fields: (t) => ({
    with: t.node({
      description: 'What stands in the way, as it is now; null when it is no single thing.',
      id: (error) => error.with && writeGlobalId(error.with.type, error.with.id),
    }),
  }),
});
builder.objectType(LimitReached, {
  ...plain,
  name: 'LimitError',
  description: 'A counted limit would be passed.',
  fields: (t) => ({
    limit: t.exposeInt('limit', { description: 'The most that is allowed.' }),
    current: t.exposeInt('current', { description: 'What it is, or would become.' }),
  }),
});
builder.objectType(NotRedeployable, {
  ...plain,
  name: 'NotRedeployableError',
  description: 'Only the support side may replace the jobs of this service.',
  fields: (t) => ({
    service: t.field({
      type: ServiceRef,
      description: 'Which service.',
      resolve: ({ serviceId }, _args, { loaders }) => loaded(loaders.service.load(serviceId)),
    }),
    howToProceed: t.string({
      description: 'How to get the redeploy all the same.',
      resolve: () =>
        'Open a support ticket of kind REDEPLOY for this service; an operator redeploys it for you.',
    }),
  }),
});

/** Every error a mutation may answer with. */
export const mutationErrors = [
  InvalidInput,
  NotFound,
  Forbidden,
  Conflict,
  Stale,
  LimitReached,
  NotRedeployable,
  Unavailable,
];
