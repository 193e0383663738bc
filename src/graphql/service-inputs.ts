// Inputs that describe a service, for creating one alone or with its environment.
import type { ServiceInput } from '../control/create-service.ts';
import { engineKinds, serviceTypes } from '../model/service-types/index.ts';
import { monitoring } from '../model/service-types/monitoring.ts';
import { serviceProxy } from '../model/service-types/service-proxy.ts';
import { builder } from './builder.ts';
import { described } from './described.ts';

export const ServiceTypeEnum = builder.enumType('ServiceType', {
  description: 'What a service starts jobs of.',
  values: described(serviceTypes, {
    CODE: 'Your application: images built from pushes; deployed by the first push that builds.',
    DATABASE: 'A database with a volume; deployed at creation, one writer at any time.',
    CACHE: 'A cache; deployed at creation.',
    SERVICE_PROXY:
      "Routes requests from outside by the environment's sites. Every environment includes one; it can't be created or removed.",
    MONITORING:
      "Runs the checks of the environment's services. Every environment that isn't a sandbox includes one, operated by the platform.",
  }),
});

/** From the registry of engines: a new one appears by itself. */
export const RuntimeEnum = builder.enumType('Runtime', {
  description: 'What a database or cache runs.',
  values: {
    ...Object.fromEntries(
      engineKinds.map((kind) => [
        kind.runtime,
        { value: kind.runtime, description: `${kind.title} (${kind.type}).` },
      ]),
    ),
    [serviceProxy.runtime]: {
      value: serviceProxy.runtime,
      description: `${serviceProxy.title} (SERVICE_PROXY); not to be asked for.`,
    },
    [monitoring.runtime]: {
      value: monitoring.runtime,
      description: `${monitoring.title} (MONITORING); not to be asked for.`,
    },
  },
});

export const SizeInput = builder.inputType('SizeInput', {
  description: 'Size of one job; absent fields keep their present or standard value.',
  fields: (t) => ({
    memoryMiB: t.int({
      required: false,
      description: 'Memory in MiB, 16 to 262144; more is refused to the job, and it is killed.',
    }),
    cpuMillis: t.int({ required: false, description: 'Thousandths of a CPU, 50 to 64000.' }),
    storageGiB: t.int({
      required: false,
      description: 'Room for data in GiB, 1 to 16384; databases only. Stated, not enforced by Docker Engine.',
    }),
  }),
});

export const VariableInput = builder.inputType('VariableInput', {
  description: 'A variable to set.',
  fields: (t) => ({
    name: t.string({
      description: '`^[A-Za-z_][A-Za-z0-9_]*$`, case kept; BERTH_… and automatic names are refused.',
    }),
    value: t.string({
      description: 'Any UTF-8 text without NUL, up to 64 KiB; reaches the container byte for byte.',
    }),
  }),
});

function serviceFields(
  t: PothosSchemaTypes.InputFieldBuilder<typeof builder.$inferSchemaTypes, 'InputObject'>,
) {
  return {
    type: t.field({ type: ServiceTypeEnum, description: 'Its type.' }),
    label: t.string({
      description:
        'Unique in its environment; also its private DNS name: 1 to 40 lower-case letters, digits or hyphens.',
    }),
    runtime: t.field({
      type: RuntimeEnum,
      required: false,
      description: 'What it runs; databases and caches need one.',
    }),
    version: t.string({ required: false, description: 'One of the catalogue; its first when absent.' }),
    size: t.field({
      type: SizeInput,
      required: false,
      description: 'Size of each job; 512 MiB and one CPU when absent.',
    }),
    scale: t.int({
      required: false,
      description: 'Number of deploy jobs, 0 to 50 (databases 0 or 1); 1 when absent.',
    }),
    workerLimit: t.int({
      required: false,
      description: 'Most worker jobs in total, 0 to 100; code services only; 0 when absent.',
    }),
    storage: t.boolean({
      required: false,
      description: 'False: no volume, a database loses its data with its job. True when absent.',
    }),
    variables: t.field({ type: [VariableInput], required: false, description: 'Variables to begin with.' }),
  };
}

export const NewServiceInput = builder.inputType('NewServiceInput', {
  description: 'A service to create with its environment.',
  fields: serviceFields,
});

export const CreateServiceInput = builder.inputType('CreateServiceInput', {
  description: 'A new service of an environment.',
  fields: (t) => ({
    environmentId: t.id({ description: 'Where it is made.' }),
    ...serviceFields(t),
    idempotencyKey: t.string({
      required: false,
      description: 'The same key has one effect, however often it is sent; see createEnvironment.',
    }),
  }),
});

export function serviceInput(input: typeof NewServiceInput.$inferInput): ServiceInput {
  return input as ServiceInput;
}
