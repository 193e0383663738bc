// Variables: listed by digest; the value is a field of its own with a right of its own.
import DataLoader from 'dataloader';
import { GraphQLError } from 'graphql';
import type { VariableRow } from '../control/loading.ts';
import * as control from '../control/variables.ts';
import { NotFound } from '../errors.ts';
import { isId } from '../ids.ts';
import { may } from '../model/callers.ts';
import { builder } from './builder.ts';
import type { Context } from './context.ts';
import { serviceIdOf } from './ids.ts';
import type { Loaders } from './loaders.ts';
import { callerOf, mutation } from './mutation.ts';
import { hasEffect } from './query-plan.ts';
import { ActorRef } from './redeploy.ts';
import { VariableRef } from './refs.ts';
import { VariableInput } from './service-inputs.ts';
import { servicePayload } from './service-payload.ts';

/** Variables have no id of their own: their service and their name are one. */
export function variableId(row: VariableRow): string {
  return `${row.serviceId}/${row.name}`;
}

const values = new WeakMap<Loaders, DataLoader<VariableRow, string>>();

/** Values asked for together are read together. Nothing is kept: each reading is audited. */
function valuesOf(context: Context): DataLoader<VariableRow, string> {
  const present = values.get(context.loaders);
  if (present !== undefined) return present;
  const load = async (rows: readonly VariableRow[]) => {
    const found = await control.readVariables(context.control, callerOf(context), rows);
    return found.map((value) => value ?? new NotFound('variable'));
  };
  const made = new DataLoader<VariableRow, string>(load, { cache: false, maxBatchSize: 100 });
  values.set(context.loaders, made);
  return made;
}

const VariableSourceEnum = builder.enumType('VariableSource', {
  description: 'Who set a variable.',
  values: {
    AUTOMATIC: { description: 'The platform; it can be neither set nor unset.' },
    USER: { description: 'A caller.' },
  },
});

builder.node(VariableRef, {
  description: 'A variable of a service. In every job besides: BERTH_JOB_ID, and PROCFILE_TARGET in workers.',
  id: { resolve: variableId, description: 'Global id.' },
  loadManyWithoutCache: (ids, { loaders }) =>
    Promise.all(
      ids.map(async (id) => {
        const [serviceId = '', name] = id.split('/');
        // The service first: it is only there for a caller that may see it.
        const service = isId(serviceId) ? await loaders.service.load(serviceId) : undefined;
        if (service === undefined) return undefined;
        return (await loaders.variables.load(serviceId))?.find((row) => row.name === name);
      }),
    ),
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Its name, case kept.' }),
    source: t.expose('source', { type: VariableSourceEnum, description: 'Who set it.' }),
    digest: t.exposeString('digest', {
      description:
        'Keyed digest of the value, 32 hexadecimal digits: changes when and only when the value does.',
    }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When the value last changed.' }),
    updatedBy: t.field({
      type: ActorRef,
      nullable: true,
      description: 'Who changed it last.',
      resolve: (row) => ({ name: row.updatedBy }),
    }),
    value: t.string({
      nullable: true,
      description:
        'The value. Needs the scope `secrets:read`, and each reading is audited; otherwise null with a FORBIDDEN error at this path.',
      complexity: 20,
      extensions: hasEffect,
      resolve: (row, _args, context) => {
        const caller = callerOf(context);
        if (!may(caller, 'READ_SECRETS'))
          throw new GraphQLError('The token needs the scope secrets:read.', {
            extensions: { code: 'FORBIDDEN' },
          });
        return valuesOf(context).load(row);
      },
    }),
  }),
});

mutation({
  name: 'setVariables',
  description:
    'Sets variables, all or none. They take effect with the next redeploy. CONFLICT for automatic names, LIMIT past 500 variables or 1 MiB in all. Needs the scope `deploy`.',
  input: builder.inputType('SetVariablesInput', {
    description: 'Variables to set.',
    fields: (t) => ({
      serviceId: t.id({ description: 'Of which service.' }),
      variables: t.field({ type: [VariableInput], description: 'At least one; each name once.' }),
      expectedRevision: t.int({
        required: false,
        description: "Refused as stale when the service's revision is another.",
      }),
    }),
  }),
  payload: servicePayload('SetVariablesPayload', 'The variables were set.'),
  run: (room, caller, input) =>
    control.setVariables(room, caller, { ...input, serviceId: serviceIdOf(input.serviceId) }),
});

mutation({
  name: 'unsetVariables',
  description:
    'Unsets variables, all or none. CONFLICT for automatic ones, INVALID for one that is not set. Needs the scope `deploy`.',
  input: builder.inputType('UnsetVariablesInput', {
    description: 'Variables to unset.',
    fields: (t) => ({
      serviceId: t.id({ description: 'Of which service.' }),
      names: t.stringList({ description: 'Their names; at least one.' }),
    }),
  }),
  payload: servicePayload('UnsetVariablesPayload', 'The variables were unset.'),
  run: (room, caller, input) =>
    control.unsetVariables(room, caller, { ...input, serviceId: serviceIdOf(input.serviceId) }),
});
