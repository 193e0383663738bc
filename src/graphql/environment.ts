// Environments: the type, its lists, and the mutations that make, rename and delete them.
import * as control from '../control/environments.ts';
import { findEnvironment } from '../control/finding.ts';
import { auditPage, environmentsPage, redeploysPage, servicesPage } from '../control/loading.ts';
import { isId } from '../ids.ts';
import { environmentHealth } from '../model/status.ts';
import { asksOnly, briefFields } from './asked.ts';
import { AuditRef } from './audit.ts';
import { builder } from './builder.ts';
import { childPage, pageRequest, toConnection } from './connections.ts';
import { loadEach, loaded, localId } from './ids.ts';
import { callerOf, mutation, type Payload } from './mutation.ts';
import { RedeployConnection } from './redeploy.ts';
import { EnvironmentRef, PodRef, RedeployRef, ServiceRef } from './refs.ts';
import { EnvironmentKind, HealthEnum } from './scalars.ts';
import { NewServiceInput, ServiceTypeEnum, serviceInput } from './service-inputs.ts';

builder.node(EnvironmentRef, {
  description: 'An isolated set of services on one private network. It lives in one pod for good.',
  id: { resolve: (row) => row.id, description: 'Global id.' },
  loadManyWithoutCache: (ids, { loaders }) => loadEach(loaders.environment, ids),
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Name for people, 1 to 80 characters.' }),
    namespace: t.exposeString('namespace', {
      description:
        'Unique; first label of its public host name and part of its git addresses. Never changes.',
    }),
    kind: t.expose('kind', { type: EnvironmentKind, description: 'What it is for.' }),
    status: t.field({
      type: HealthEnum,
      description: 'How it is, from the status of its services.',
      resolve: async (row, _args, { loaders }) =>
        environmentHealth((await loaders.environmentHealths.load(row.id)) ?? []),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was created.' }),
    deletionRequestedAt: t.expose('deletionRequestedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When its deletion was asked for; null while it lives.',
    }),
    deletedAt: t.expose('deletedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When everything of it was gone; null before.',
    }),
    revision: t.exposeInt('revision', { description: 'Grows with every change of the environment itself.' }),
    pod: t.field({
      type: PodRef,
      description: 'Where it runs.',
      resolve: (row, _args, { loaders }) => loaded(loaders.pod.load(row.podId)),
    }),
    services: t.connection(
      {
        type: ServiceRef,
        description: 'Its services, oldest first.',
        args: {
          type: t.arg({ type: ServiceTypeEnum, required: false, description: 'Only those of this type.' }),
        },
        complexity: sized,
        resolve: (row, args, context, info) =>
          childPage(context, info, row.id, () => {
            const request = { ...pageRequest(args, isId), brief: asksOnly(info, briefFields.Service) };
            const type = args.type ?? undefined;
            return {
              request,
              load: (ids) => servicesPage(context.control, ids, type, request),
              keyOf: ({ id }) => id,
            };
          }),
      },
      { name: 'ServiceConnection', description: 'A page of services.' },
      { name: 'ServiceEdge', description: 'One service in its list.' },
    ),
    redeploys: t.connection(
      {
        type: RedeployRef,
        description: 'Redeploys of its services, newest first.',
        complexity: sized,
        resolve: (row, args, context, info) =>
          childPage(context, info, row.id, () => {
            const request = pageRequest(args, isId);
            const load = (ids: readonly string[]) =>
              redeploysPage(context.control, 'environment', ids, request);
            return { request, load, keyOf: ({ id }) => id };
          }),
      },
      RedeployConnection,
    ),
    audit: t.connection(
      {
        type: AuditRef,
        description: 'Who changed what in it, newest first. Rows are chained by hash.',
        complexity: sized,
        resolve: (row, args, context, info) =>
          childPage(context, info, row.id, () => {
            const request = pageRequest(args, (key) => /^\d{1,15}$/.test(key));
            return {
              request,
              load: (ids) => auditPage(context.control, ids, request),
              keyOf: ({ seq }) => `${seq}`,
            };
          }),
      },
      { name: 'AuditConnection', description: 'A page of audit rows.' },
      { name: 'AuditEdge', description: 'One audit row in its list.' },
    ),
  }),
});

builder.queryField('environments', (t) =>
  t.connection(
    {
      type: EnvironmentRef,
      description: 'Environments the caller may see, oldest first.',
      authScopes: { may: 'READ' },
      complexity: sized,
      resolve: async (_root, args, context) => {
        const request = pageRequest(args, isId);
        const rows = await environmentsPage(context.control, callerOf(context), request);
        return toConnection(rows, request, (row) => row.id);
      },
    },
    { name: 'EnvironmentConnection', description: 'A page of environments.' },
    { name: 'EnvironmentEdge', description: 'One environment in its list.' },
  ),
);

builder.queryField('environment', (t) =>
  t.field({
    type: EnvironmentRef,
    nullable: true,
    description: 'The living environment of this namespace; null when there is none that the caller may see.',
    authScopes: { may: 'READ' },
    args: { namespace: t.arg.string({ description: 'Its namespace.' }) },
    resolve: (_root, { namespace }, context) =>
      findEnvironment(context.control, callerOf(context), namespace),
  }),
);

/** A page costs what one item costs, times its size. */
export function sized(args: { first?: number | null | undefined; last?: number | null | undefined }) {
  return { field: 1, multiplier: Math.min(100, Math.max(1, args.first ?? args.last ?? 1)) };
}

function payload(name: string, description: string) {
  return builder.objectRef<Payload>(name).implement({
    description,
    fields: (t) => ({
      environment: t.field({
        type: EnvironmentRef,
        description: 'The environment as it is now.',
        resolve: ({ ids }, _args, { loaders }) => loaded(loaders.environment.load(ids.environmentId ?? '')),
      }),
    }),
  });
}

mutation({
  name: 'createEnvironment',
  description:
    'Makes an environment with its services, all or nothing. Databases and caches are deployed at once. Needs the scope `admin`.',
  input: builder.inputType('CreateEnvironmentInput', {
    description: 'A new environment.',
    fields: (t) => ({
      name: t.string({ description: 'Name for people, 1 to 80 characters.' }),
      namespace: t.string({
        required: false,
        description:
          'First label of its host name: 1 to 40 lower-case letters, digits or hyphens. Made from the name when absent.',
      }),
      kind: t.field({ type: EnvironmentKind, description: 'What it is for.' }),
      services: t.field({ type: [NewServiceInput], required: false, description: 'Services to begin with.' }),
      idempotencyKey: t.string({ required: false, description: idempotency() }),
    }),
  }),
  payload: payload('CreateEnvironmentPayload', 'The new environment.'),
  run: (room, caller, input) =>
    control.createEnvironment(room, caller, { ...input, services: input.services?.map(serviceInput) }),
});

mutation({
  name: 'renameEnvironment',
  description: 'Changes the name; namespace and addresses stay. Needs the scope `admin`.',
  input: builder.inputType('RenameEnvironmentInput', {
    description: 'A new name.',
    fields: (t) => ({
      environmentId: t.id({ description: 'Which environment.' }),
      name: t.string({ description: 'Its new name, 1 to 80 characters.' }),
      expectedRevision: t.int({
        required: false,
        description: 'Refused as stale when its revision is another.',
      }),
    }),
  }),
  payload: payload('RenameEnvironmentPayload', 'The renamed environment.'),
  run: (room, caller, input) =>
    control.renameEnvironment(room, caller, { ...input, environmentId: environmentId(input.environmentId) }),
});

mutation({
  name: 'deleteEnvironment',
  description:
    'Stops and removes everything of it: jobs, network, code, releases, variables. Volumes of databases are removed after a waiting time. NOT_REDEPLOYABLE while one of its services carries a customization (`redeployable: false`), but for operators. Needs the scope `admin`.',
  input: builder.inputType('DeleteEnvironmentInput', {
    description: 'A confirmed deletion.',
    fields: (t) => ({
      environmentId: t.id({ description: 'Which environment.' }),
      confirm: t.string({ description: 'Its namespace, as confirmation.' }),
    }),
  }),
  payload: payload('DeleteEnvironmentPayload', 'The environment that is being deleted.'),
  run: (room, caller, input) =>
    control.deleteEnvironment(room, caller, { ...input, environmentId: environmentId(input.environmentId) }),
});

function environmentId(id: string): string {
  return localId('Environment', id, ['input', 'environmentId']);
}

export function idempotency(): string {
  return 'Up to 200 characters. The same key with the same input has one effect and one answer, however often it is sent; with another input it is a conflict. Kept for a day at least.';
}
