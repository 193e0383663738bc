// Sites: the type, its list on an environment, and the mutations that make, change and remove them.
import { sitesPage } from '../control/loading.ts';
import * as control from '../control/sites.ts';
import { isId } from '../ids.ts';
import { type SiteLimits, siteLimits } from '../model/sites.ts';
import { builder } from './builder.ts';
import { childPage, pageRequest } from './connections.ts';
import { sized } from './environment.ts';
import { loadEach, loaded, localId, serviceIdOf } from './ids.ts';
import { mutation, type Payload } from './mutation.ts';
import { CertificateRef, EnvironmentRef, ServiceRef, SiteRef } from './refs.ts';

const SiteLimitsRef = builder.objectRef<SiteLimits>('SiteLimits').implement({
  description: 'What a request of a site may take.',
  fields: (t) => ({
    bodyBytes: t.float({
      description: 'Largest request body in bytes; beyond it the answer is 413.',
      resolve: (limits) => limits.bodyBytes,
    }),
    connectSeconds: t.exposeInt('connectSeconds', { description: 'Longest wait for a job to take it.' }),
    sendSeconds: t.exposeInt('sendSeconds', {
      description:
        'Longest silence of the client while it sends; of all sites of a proxy the longest counts.',
    }),
    readSeconds: t.exposeInt('readSeconds', {
      description:
        'Longest silence of the job while it answers; web sockets and event streams (Accept: text/event-stream) may be silent for an hour.',
    }),
  }),
});

builder.node(SiteRef, {
  description:
    'A host name that leads to a code service. Changes take effect with the next redeploy of the service proxy; its pendingChanges show them.',
  id: { resolve: (row) => row.id, description: 'Global id.' },
  // One that was removed is found by nobody.
  loadManyWithoutCache: async (ids, { loaders }) =>
    (await loadEach(loaders.site, ids)).map((row) => (row?.deletedAt === null ? row : undefined)),
  fields: (t) => ({
    environment: t.field({
      type: EnvironmentRef,
      description: 'Where it belongs.',
      resolve: (row, _args, { loaders }) => loaded(loaders.environment.load(row.environmentId)),
    }),
    host: t.exposeString('host', {
      description: 'Host name; with a leading dot the domain and everything below it.',
    }),
    service: t.field({
      type: ServiceRef,
      nullable: true,
      description:
        "The code service that answers; null for the environment's own host name, which leads to its first code service.",
      resolve: (row, _args, { loaders }) =>
        row.serviceId === null ? null : loaders.service.load(row.serviceId),
    }),
    certificate: t.field({
      type: CertificateRef,
      nullable: true,
      description: 'What it is served with over HTTPS; null: HTTP alone.',
      resolve: (row, _args, { loaders }) =>
        row.certificateId === null ? null : loaders.certificate.load(row.certificateId),
    }),
    limits: t.expose('limits', { type: SiteLimitsRef, description: 'What a request may take.' }),
    corsOrigins: t.stringList({
      description: 'Origins whose pages may read its answers; empty: no CORS headers.',
      resolve: (row) => row.corsOrigins,
    }),
    own: t.exposeBoolean('own', {
      description: "Whether it is the environment's own public host name, which stays with it.",
    }),
    revision: t.exposeInt('revision', { description: 'Grows with every change.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
  }),
});

builder.objectField(EnvironmentRef, 'publicUrl', (t) =>
  t.string({
    nullable: true,
    description:
      "Where its own public host name is reached, by HTTP; it leads to its first code service. Null where the pod's edge is off, or leads to as many environments as it can and not to this one.",
    resolve: ({ namespace, edgeSlot }, _args, { control: { settings } }) => {
      if (settings.edge === undefined || edgeSlot === null) return null;
      const { httpPort } = settings.edge;
      return `http://${namespace}.${settings.domain}${httpPort === 80 ? '' : `:${httpPort}`}/`;
    },
  }),
);

builder.objectField(EnvironmentRef, 'sites', (t) =>
  t.connection(
    {
      type: SiteRef,
      description: 'Its sites, oldest first.',
      complexity: sized,
      resolve: (row, args, context, info) =>
        childPage(context, info, row.id, () => {
          const request = pageRequest(args, isId);
          return { request, load: (ids) => sitesPage(context.control, ids, request), keyOf: ({ id }) => id };
        }),
    },
    { name: 'SiteConnection', description: 'A page of sites.' },
    { name: 'SiteEdge', description: 'One site in its list.' },
  ),
);

const range = ({ standard, minimum, maximum }: { standard: number; minimum: number; maximum: number }) =>
  `${minimum} to ${maximum}; ${standard} by default.`;

const SiteLimitsInput = builder.inputType('SiteLimitsInput', {
  description: 'What a request of a site may take; absent fields keep their present or standard value.',
  fields: (t) => ({
    bodyBytes: t.float({ required: false, description: `Bytes, ${range(siteLimits.bodyBytes)}` }),
    connectSeconds: t.int({ required: false, description: `Seconds, ${range(siteLimits.connectSeconds)}` }),
    sendSeconds: t.int({ required: false, description: `Seconds, ${range(siteLimits.sendSeconds)}` }),
    readSeconds: t.int({ required: false, description: `Seconds, ${range(siteLimits.readSeconds)}` }),
  }),
});

function payload(name: string, description: string) {
  return builder.objectRef<Payload>(name).implement({
    description,
    fields: (t) => ({
      site: t.field({
        type: SiteRef,
        nullable: true,
        description: 'The site as it is now; null once it is removed.',
        resolve: async ({ ids }, _args, { loaders }) => {
          const row = await loaders.site.load(ids.siteId ?? '');
          return row === undefined || row.deletedAt !== null ? null : row;
        },
      }),
      environment: t.field({
        type: EnvironmentRef,
        description: 'The environment it belongs to.',
        resolve: ({ ids }, _args, { loaders }) => loaded(loaders.environment.load(ids.environmentId ?? '')),
      }),
    }),
  });
}

mutation({
  name: 'createSite',
  description:
    'Makes a site; it takes effect with the next redeploy of the service proxy. CONFLICT when the host name has a site already, LIMIT past 200 sites. Needs the scope `deploy`.',
  input: builder.inputType('CreateSiteInput', {
    description: 'A new site of an environment.',
    fields: (t) => ({
      environmentId: t.id({ description: 'Where it is made.' }),
      host: t.string({
        description:
          'Host name of at least two labels, international names in ASCII form; with a leading dot the domain and everything below it.',
      }),
      serviceId: t.id({ description: 'The code service that answers.' }),
      certificateId: t.id({
        required: false,
        description: 'A certificate that covers the host; without one it is served over HTTP alone.',
      }),
      limits: t.field({
        type: SiteLimitsInput,
        required: false,
        description: 'Other limits than the standard ones.',
      }),
      corsOrigins: t.stringList({
        required: false,
        description: 'Origins such as https://app.example.org, at most 50.',
      }),
      idempotencyKey: t.string({ required: false, description: 'The same key has one effect.' }),
    }),
  }),
  payload: payload('CreateSitePayload', 'The new site.'),
  run: (room, caller, input) =>
    control.createSite(room, caller, {
      ...input,
      environmentId: localId('Environment', input.environmentId, ['input', 'environmentId']),
      serviceId: serviceIdOf(input.serviceId),
      certificateId: certificateIdOf(input.certificateId),
    }),
});

mutation({
  name: 'updateSite',
  description:
    'Changes a site, as far as fields are given; it takes effect with the next redeploy of the service proxy. Needs the scope `deploy`.',
  input: builder.inputType('UpdateSiteInput', {
    description: 'Fields to change; absent ones stay.',
    fields: (t) => ({
      siteId: t.id({ description: 'Which site.' }),
      serviceId: t.id({ required: false, description: 'Another code service that answers.' }),
      certificateId: t.id({ required: false, description: 'Another certificate; null takes it away.' }),
      limits: t.field({ type: SiteLimitsInput, required: false, description: 'Limits to change.' }),
      corsOrigins: t.stringList({ required: false, description: 'Other origins; empty: none.' }),
      expectedRevision: t.int({
        required: false,
        description: 'Refused as stale when its revision is another.',
      }),
    }),
  }),
  payload: payload('UpdateSitePayload', 'The changed site.'),
  run: (room, caller, input) =>
    control.updateSite(room, caller, {
      ...input,
      siteId: siteIdOf(input.siteId),
      serviceId: input.serviceId == null ? null : serviceIdOf(input.serviceId),
      certificateId: certificateIdOf(input.certificateId),
    }),
});

mutation({
  name: 'deleteSite',
  description:
    "Removes a site with the next redeploy of the service proxy. CONFLICT for the environment's own host name. Needs the scope `deploy`.",
  input: builder.inputType('DeleteSiteInput', {
    description: 'A site to remove.',
    fields: (t) => ({ siteId: t.id({ description: 'Which site.' }) }),
  }),
  payload: payload('DeleteSitePayload', 'The site is removed.'),
  run: (room, caller, input) => control.deleteSite(room, caller, { siteId: siteIdOf(input.siteId) }),
});

function siteIdOf(globalId: string): string {
  return localId('Site', globalId, ['input', 'siteId']);
}

function certificateIdOf(globalId: string | null | undefined): string | null | undefined {
  return globalId == null ? globalId : localId('Certificate', globalId, ['input', 'certificateId']);
}
