// What can be had (the catalogue), where things run (pods), and how the installation's parts are.
import { type CheckTypeEntry, knownTypes } from '../control/check-fields.ts';
import { checkHealth } from '../control/health.ts';
import { databaseVersion } from '../control/installation.ts';
import type { EngineKind } from '../model/service-types/engine-kind.ts';
import { engineKinds, includedTypes, type ServiceType, serviceTypes } from '../model/service-types/index.ts';
import { namedSizes, sizeLimits } from '../model/sizes.ts';
import { version } from '../version.ts';
import { builder } from './builder.ts';
import { loadEach } from './ids.ts';
import { PodRef } from './refs.ts';
import { HealthEnum } from './scalars.ts';
import { RuntimeEnum, ServiceTypeEnum } from './service-inputs.ts';

const RuntimeEntryRef = builder.objectRef<EngineKind>('RuntimeEntry').implement({
  description: 'A runtime that databases or caches can have.',
  fields: (t) => ({
    runtime: t.field({
      type: RuntimeEnum,
      description: 'Its name in inputs.',
      resolve: (kind) => kind.runtime as never,
    }),
    type: t.field({
      type: ServiceTypeEnum,
      description: 'Of which type of service.',
      resolve: (kind) => kind.type,
    }),
    title: t.exposeString('title', { description: 'Its name for people.' }),
    versions: t.stringList({
      description: 'Versions on offer, the standard one first.',
      resolve: (kind) => kind.versions.map((each) => each.version),
    }),
    port: t.exposeInt('port', { description: 'Port it listens on within the environment.' }),
    minimumMemoryMiB: t.exposeInt('minimumMemoryMiB', {
      description: 'Least memory a job of it can have, in MiB.',
    }),
  }),
});

const ServiceTypeEntryRef = builder.objectRef<ServiceType>('ServiceTypeEntry').implement({
  description: 'A type of service.',
  fields: (t) => ({
    type: t.field({ type: ServiceTypeEnum, description: 'Its name in inputs.', resolve: (type) => type }),
    included: t.boolean({
      description:
        'Whether environments are made with theirs (MONITORING: all but sandboxes): createService is refused for it.',
      resolve: (type) => includedTypes.includes(type),
    }),
    runtimes: t.field({
      type: [RuntimeEntryRef],
      description: 'Runtimes to choose from; empty where there is nothing to choose.',
      resolve: (type) => engineKinds.filter((kind) => kind.type === type),
    }),
  }),
});

const NamedSizeRef = builder.objectRef<(typeof namedSizes)[number]>('NamedSize').implement({
  description: 'A customary size; any other within the limits is taken too.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Its name.' }),
    memoryMiB: t.int({ description: 'Memory in MiB.', resolve: ({ size }) => size.memoryMiB }),
    cpuMillis: t.int({ description: 'Thousandths of a CPU.', resolve: ({ size }) => size.cpuMillis }),
  }),
});

const CheckTypeEntryRef = builder.objectRef<CheckTypeEntry>('CheckTypeEntry').implement({
  description: 'A type of check.',
  fields: (t) => ({
    type: t.exposeString('type', { description: 'Its name.' }),
    title: t.exposeString('title', { description: 'Its name for people.' }),
    description: t.exposeString('description', { description: 'What it looks at.' }),
    intervalSeconds: t.int({
      description: 'Between two runs unless a check says otherwise.',
      resolve: ({ standard }) => standard.intervalSeconds,
    }),
    timeoutSeconds: t.int({
      description: 'How long a run may take unless a check says otherwise.',
      resolve: ({ standard }) => standard.timeoutSeconds,
    }),
  }),
});

const CatalogueRef = builder.objectRef<Record<never, never>>('Catalogue').implement({
  description: 'What a form for services needs.',
  fields: (t) => ({
    serviceTypes: t.field({
      type: [ServiceTypeEntryRef],
      description: 'Types of services.',
      resolve: () => serviceTypes,
    }),
    runtimes: t.field({
      type: [RuntimeEntryRef],
      description: 'Runtimes of databases and caches.',
      resolve: () => engineKinds,
    }),
    checkTypes: t.field({
      type: [CheckTypeEntryRef],
      description: 'Types of checks.',
      resolve: () => [...knownTypes.values()],
    }),
    sizes: t.field({ type: [NamedSizeRef], description: 'Customary sizes.', resolve: () => namedSizes }),
    largestMemoryMiB: t.int({
      description: 'Most memory a job can have, in MiB.',
      resolve: () => sizeLimits.memoryMiB.maximum,
    }),
    largestCpuMillis: t.int({
      description: 'Most thousandths of a CPU a job can have.',
      resolve: () => sizeLimits.cpuMillis.maximum,
    }),
  }),
});

builder.queryField('catalogue', (t) =>
  t.field({
    type: CatalogueRef,
    description: 'What can be had: service types, runtimes, versions, sizes, types of checks.',
    authScopes: { may: 'READ' },
    resolve: () => ({}),
  }),
);

const PodKindEnum = builder.enumType('PodKind', {
  description: 'What runs the containers of a pod.',
  values: { DOCKER: { description: 'One Docker host.' } },
});

interface PodNode {
  readonly name: string;
  readonly operatingSystem: string;
  readonly engineVersion: string;
}

const PodNodeRef = builder.objectRef<PodNode>('PodNode').implement({
  description: 'One machine of a pod.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Its name.' }),
    operatingSystem: t.exposeString('operatingSystem', { description: 'What it runs, as its engine says.' }),
    engineVersion: t.exposeString('engineVersion', { description: 'Version of its container engine.' }),
  }),
});

builder.node(PodRef, {
  description: 'Where environments run. The first is `local`.',
  id: { resolve: (row) => row.id, description: 'Global id.' },
  loadManyWithoutCache: (ids, { loaders }) => loadEach(loaders.pod, ids),
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Its name.' }),
    kind: t.field({
      type: PodKindEnum,
      description: 'What runs its containers.',
      resolve: () => 'DOCKER' as const,
    }),
    health: t.field({
      type: HealthEnum,
      description: 'HEALTHY when its engine answers now, else FAILING.',
      resolve: (_row, _args, { control }) =>
        control.engine().then(
          () => 'HEALTHY' as const,
          () => 'FAILING' as const,
        ),
    }),
    nodes: t.field({
      type: [PodNodeRef],
      description: 'Machines that answer now.',
      resolve: ({ name }, _args, { control }) =>
        control.engine().then(
          ({ version: engineVersion, operatingSystem }) => [{ name, operatingSystem, engineVersion }],
          () => [],
        ),
    }),
  }),
});

interface Part {
  readonly name: string;
  readonly healthy: boolean;
  readonly message: string;
}

const PartRef = builder.objectRef<Part>('InstallationPart').implement({
  description: 'A part that the installation needs, as it was asked just now; /health tells the same.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Its name, such as database or engine.' }),
    healthy: t.exposeBoolean('healthy', { description: 'Whether it works.' }),
    message: t.exposeString('message', { description: 'How it is, for people.' }),
  }),
});

const InstallationRef = builder.objectRef<Record<never, never>>('Installation').implement({
  description: 'This installation and its parts.',
  fields: (t) => ({
    parts: t.field({
      type: [PartRef],
      description: 'The parts it needs and how they are.',
      resolve: async (_root, _args, { control }) => {
        const { parts } = await checkHealth(control);
        return Object.entries(parts).map(([name, part]) => ({ name, ...part }));
      },
    }),
    version: t.string({ description: 'Version of Berth.', resolve: () => version }),
    engineVersion: t.string({
      nullable: true,
      description: 'Version of the container engine; null while it does not answer.',
      resolve: (_root, _args, { control }) =>
        control.engine().then(
          (facts) => facts.version,
          () => null,
        ),
    }),
    databaseVersion: t.string({
      description: 'Version of Postgres.',
      resolve: (_root, _args, { control }) => databaseVersion(control),
    }),
  }),
});

builder.queryField('installation', (t) =>
  t.field({
    type: InstallationRef,
    description: 'Versions and health of the parts.',
    authScopes: { may: 'READ' },
    resolve: () => ({}),
  }),
);
