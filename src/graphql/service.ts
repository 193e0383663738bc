// Services: the type and its lists. The mutations stand in service-mutations.ts.

import { findService } from '../control/finding.ts';
import { jobsPage, redeploysPage, releasesPage } from '../control/loading.ts';
import { isId } from '../ids.ts';
import { jobStates, jobTypes } from '../model/jobs.ts';
import { operatedTypes } from '../model/service-types/index.ts';
import { compareSpecs, type Size, strategyOf } from '../model/spec.ts';
import { asksOnly, briefFields } from './asked.ts';
import { builder } from './builder.ts';
import { childPage, pageRequest, toConnection } from './connections.ts';
import { sized } from './environment.ts';
import { loadEach, loaded } from './ids.ts';
import { HealthCheckRef } from './maintenance.ts';
import { callerOf } from './mutation.ts';
import { RedeployConnection } from './redeploy.ts';
import { JobStateEnum, JobTypeEnum, SpecChangeRef, StrategyEnum } from './redeploy-enums.ts';
import { EnvironmentRef, JobRef, RedeployRef, ReleaseRef, ServiceRef, VariableRef } from './refs.ts';
import { HealthEnum } from './scalars.ts';
import { RuntimeEnum, ServiceTypeEnum } from './service-inputs.ts';

const SizeRef = builder.objectRef<Size>('Size').implement({
  description: 'Size of one job.',
  fields: (t) => ({
    memoryMiB: t.exposeInt('memoryMiB', { description: 'Memory in MiB.' }),
    cpuMillis: t.exposeInt('cpuMillis', { description: 'Thousandths of a CPU.' }),
    storageGiB: t.exposeInt('storageGiB', {
      nullable: true,
      description: 'Room for data in GiB; null where nothing is stored.',
    }),
  }),
});

const WorkerTargetRef = builder.objectRef<{ target: string; count: number }>('WorkerTarget').implement({
  description: 'Worker jobs asked for of one Procfile target.',
  fields: (t) => ({
    target: t.exposeString('target', { description: 'Name of the Procfile target.' }),
    count: t.exposeInt('count', { description: 'How many jobs.' }),
  }),
});

builder.node(ServiceRef, {
  description:
    'Defines how jobs are started: image, size, variables, scale. Changing it changes nothing that runs until the next redeploy.',
  id: { resolve: (row) => row.id, description: 'Global id.' },
  loadManyWithoutCache: (ids, { loaders }) => loadEach(loaders.service, ids),
  fields: (t) => ({
    environment: t.field({
      type: EnvironmentRef,
      description: 'Where it belongs.',
      resolve: (row, _args, { loaders }) => loaded(loaders.environment.load(row.environmentId)),
    }),
    type: t.expose('type', { type: ServiceTypeEnum, description: 'Its type.' }),
    runtime: t.field({
      type: RuntimeEnum,
      nullable: true,
      description: 'What a database or cache runs; null for code.',
      resolve: (row) => row.runtime as never,
    }),
    version: t.exposeString('version', {
      nullable: true,
      description: 'Version of the runtime; null for code.',
    }),
    label: t.exposeString('label', { description: 'Unique in its environment; can be changed.' }),
    dnsName: t.exposeString('dnsName', {
      description: 'Name by which other services of the environment reach it. Never changes.',
    }),
    size: t.expose('size', { type: SizeRef, description: 'Size of each job, as wanted.' }),
    scale: t.exposeInt('scale', { description: 'Number of deploy jobs wanted.' }),
    workerLimit: t.exposeInt('workerLimit', { description: 'Most worker jobs in total.' }),
    workers: t.field({
      type: [WorkerTargetRef],
      description: 'Worker jobs asked for, by target; every redeploy brings them back.',
      resolve: async (row, _args, { loaders }) =>
        Object.entries((await loaders.workers.load(row.id)) ?? {}).map(([target, count]) => ({
          target,
          count,
        })),
    }),
    redeployable: t.boolean({
      description:
        'False: it carries a customization or is operated by the platform, and only the support side may redeploy or stop it.',
      resolve: ({ type, redeployable }) => redeployable && !operatedTypes.includes(type),
    }),
    strategy: t.field({
      type: StrategyEnum,
      description: 'How its next redeploy replaces its jobs.',
      resolve: strategyOf,
    }),
    overlapSeconds: t.exposeInt('overlapSeconds', {
      nullable: true,
      description:
        'How long replaced jobs go on running beside the new ones, set by operators; null: off, and redeploys of a code service are RECREATE.',
    }),
    healthCheck: t.expose('healthCheck', {
      type: HealthCheckRef,
      nullable: true,
      description:
        'The check of its deploy jobs, as wanted; null: the standard one of its type (a TCP connection to $PORT for code).',
    }),
    maintenance: t.exposeBoolean('maintenance', {
      description: 'Whether its sites answer 503 with a page while its jobs run on.',
    }),
    rollBack: t.exposeBoolean('rollBack', {
      description: 'Whether the last good spec is started again when a redeploy fails.',
    }),
    status: t.field({
      type: HealthEnum,
      description: 'How it is.',
      resolve: async (row, _args, { loaders }) => (await loaders.health.load(row)) ?? 'NOT_DEPLOYED',
    }),
    gitUrl: t.string({
      nullable: true,
      description:
        'Remote to push code to, over HTTP with any user name and a token as password; null unless a code service. Never changes.',
      resolve: async (row, _args, { control, loaders }) => {
        if (row.type !== 'CODE') return null;
        const environment = await loaded(loaders.environment.load(row.environmentId));
        return `${control.settings.publicUrl}/git/${environment.namespace}/${row.dnsName}.git`;
      },
    }),
    release: t.field({
      type: ReleaseRef,
      nullable: true,
      description: 'The release that the next redeploy starts; null before the first push that built.',
      resolve: (row, _args, { loaders }) =>
        row.releaseId === null ? null : loaders.release.load(row.releaseId),
    }),
    revision: t.exposeInt('revision', {
      description: 'Grows with every change; give it as expectedRevision to notice changes of others.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was created.' }),
    deletedAt: t.expose('deletedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When everything of it was gone; null before.',
    }),
    hasPendingChanges: t.boolean({
      description: 'Whether the next redeploy would start something else than what runs.',
      resolve: async (row, _args, { loaders }) => {
        const wanted = await loaders.wantedSpec.load(row);
        return wanted !== undefined && compareSpecs(row.runningSpec ?? undefined, wanted).length > 0;
      },
    }),
    pendingChanges: t.field({
      type: [SpecChangeRef],
      description:
        'The difference between what runs and what the next redeploy would start, field by field, variables by digest.',
      resolve: async (row, _args, { loaders }) => {
        const wanted = await loaders.wantedSpec.load(row);
        return wanted === undefined ? [] : compareSpecs(row.runningSpec ?? undefined, wanted);
      },
    }),
    variables: t.connection(
      {
        type: VariableRef,
        description: 'Its variables in the order of names, without their values.',
        complexity: sized,
        resolve: async (row, args, { loaders }) => {
          const request = pageRequest(args, (key) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(key));
          const all = (await loaders.variables.load(row.id)) ?? [];
          const { after, before, limit, backward } = request;
          const within = all.filter(
            (v) => (after === undefined || v.name > after) && (before === undefined || v.name < before),
          );
          return toConnection(
            backward ? within.slice(-limit) : within.slice(0, limit),
            request,
            (v) => v.name,
          );
        },
      },
      { name: 'VariableConnection', description: 'A page of variables.' },
      { name: 'VariableEdge', description: 'One variable in its list.' },
    ),
    jobs: t.connection(
      {
        type: JobRef,
        description: 'Its jobs: the living first, then the ended, each newest first.',
        args: {
          types: t.arg({
            type: [JobTypeEnum],
            required: false,
            description: `Only these types; all ${jobTypes.length} when absent.`,
          }),
          states: t.arg({
            type: [JobStateEnum],
            required: false,
            description: `Only these states; all ${jobStates.length} when absent.`,
          }),
        },
        complexity: sized,
        resolve: (row, args, context, info) =>
          childPage(context, info, row.id, () => {
            const page = pageRequest(args, (key) => /^[01]/.test(key) && isId(key.slice(1)));
            const request = { ...page, brief: asksOnly(info, briefFields.Job) };
            const filter = { types: args.types ?? null, states: args.states ?? null };
            const load = (ids: readonly string[]) => jobsPage(context.control, ids, filter, request);
            return { request, load, keyOf: ({ listKey }) => listKey };
          }),
      },
      { name: 'JobConnection', description: 'A page of jobs.' },
      { name: 'JobEdge', description: 'One job in its list.' },
    ),
    redeploys: t.connection(
      {
        type: RedeployRef,
        description: 'Its redeploys, newest first.',
        complexity: sized,
        resolve: (row, args, context, info) =>
          childPage(context, info, row.id, () => {
            const request = pageRequest(args, isId);
            const load = (ids: readonly string[]) => redeploysPage(context.control, 'service', ids, request);
            return { request, load, keyOf: ({ id }) => id };
          }),
      },
      RedeployConnection,
    ),
    activeRedeploy: t.field({
      type: RedeployRef,
      nullable: true,
      description: 'The open redeploy; null when there is none. There is never more than one.',
      resolve: (row, _args, { loaders }) => loaders.openRedeploy.load(row.id),
    }),
    releases: t.connection(
      {
        type: ReleaseRef,
        description: 'Kept releases, newest first.',
        complexity: sized,
        resolve: (row, args, context, info) =>
          childPage(context, info, row.id, () => {
            const request = pageRequest(args, isId);
            return {
              request,
              load: (ids) => releasesPage(context.control, ids, request),
              keyOf: ({ id }) => id,
            };
          }),
      },
      { name: 'ReleaseConnection', description: 'A page of releases.' },
      { name: 'ReleaseEdge', description: 'One release in its list.' },
    ),
  }),
});

builder.queryField('service', (t) =>
  t.field({
    type: ServiceRef,
    nullable: true,
    description:
      'The living service of this label in the environment of this namespace; null when there is none that the caller may see.',
    authScopes: { may: 'READ' },
    args: {
      namespace: t.arg.string({ description: "The environment's namespace." }),
      label: t.arg.string({ description: "The service's label." }),
    },
    resolve: (_root, { namespace, label }, context) =>
      findService(context.control, callerOf(context), namespace, label),
  }),
);
