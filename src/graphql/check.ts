// Checks: the type, its lists on environments and services, and the mutations.
import { knownTypes } from '../control/check-fields.ts';
import * as control from '../control/checks.ts';
import { checksPage, incidentsPage, resultsPage } from '../control/monitoring-loading.ts';
import { isId } from '../ids.ts';
import type { Threshold } from '../model/monitoring/observations.ts';
import { builder } from './builder.ts';
import { CheckStateEnum } from './check-enums.ts';
import { CreateCheckInputRef, givenCheck, UpdateCheckInputRef } from './check-inputs.ts';
import { childPage, pageRequest } from './connections.ts';
import { sized } from './environment.ts';
import { loadEach, loaded, localId, serviceIdOf } from './ids.ts';
import { IncidentConnection } from './incident.ts';
import { mutation, type Payload } from './mutation.ts';
import { CheckRef, CheckResultRef, EnvironmentRef, IncidentRef, ServiceRef } from './refs.ts';

const ThresholdRef = builder.objectRef<Threshold>('Threshold').implement({
  description: 'From where on a number that a check measures is not well any more.',
  fields: (t) => ({
    metric: t.exposeString('metric', { description: 'Name of the metric.' }),
    above: t.boolean({
      description: 'True: numbers at or above the limits are bad; false: at or below.',
      resolve: ({ bad }) => bad === 'ABOVE',
    }),
    warning: t.exposeFloat('warning', { nullable: true, description: 'From here on WARNING.' }),
    critical: t.exposeFloat('critical', { nullable: true, description: 'From here on CRITICAL.' }),
  }),
});

const SettingRef = builder.objectRef<readonly [string, unknown]>('CheckSetting').implement({
  description: 'One setting of a check, as its type understands it.',
  fields: (t) => ({
    name: t.string({ description: 'Its name in the input.', resolve: ([name]) => name }),
    value: t.string({
      description: 'Its value as JSON text.',
      resolve: ([, value]) => JSON.stringify(value),
    }),
  }),
});

builder.node(CheckRef, {
  description:
    'One periodic test of a service, run by the monitoring service of its environment, or by the control plane where it needs the engine.',
  id: { resolve: (row) => row.id, description: 'Global id.' },
  loadManyWithoutCache: (ids, { loaders }) => loadEach(loaders.check, ids),
  fields: (t) => ({
    service: t.field({
      type: ServiceRef,
      description: 'The service it tests.',
      resolve: (row, _args, { loaders }) => loaded(loaders.service.load(row.serviceId)),
    }),
    type: t.exposeString('type', {
      description: `${[...knownTypes.keys()].join(', ')}: see catalogue.checkTypes; or MONITOR, whether the monitor itself answers.`,
    }),
    name: t.exposeString('name', { description: 'Unique in its service.' }),
    port: t.exposeInt('port', { nullable: true, description: 'Port; null: the one of its type.' }),
    settings: t.field({
      type: [SettingRef],
      description: 'What it looks for.',
      resolve: ({ settings }) => Object.entries(settings),
    }),
    thresholds: t.field({
      type: [ThresholdRef],
      description: 'Its own thresholds; those of its type apply to all other numbers.',
      resolve: ({ thresholds }) => thresholds,
    }),
    intervalSeconds: t.exposeInt('intervalSeconds', { description: 'Between two runs.' }),
    timeoutSeconds: t.exposeInt('timeoutSeconds', { description: 'How long a run may take.' }),
    attempts: t.exposeInt('attempts', {
      description: 'Results in a row until a state other than OK is hard.',
    }),
    dependsOn: t.field({
      type: [CheckRef],
      description: 'While one of these has an open incident, this check raises none.',
      resolve: async ({ dependsOn }, _args, { loaders }) => {
        const rows = await Promise.all(dependsOn.map((id) => loaders.check.load(id)));
        return rows.filter((row) => row !== undefined && row.deletedAt === null).map((row) => row as never);
      },
    }),
    state: t.expose('state', { type: CheckStateEnum, description: 'What its newest result says.' }),
    hard: t.exposeBoolean('hard', { description: 'Whether that counts: it was seen often enough.' }),
    flapping: t.exposeBoolean('flapping', { description: 'Whether its state changes too often to count.' }),
    attempt: t.exposeInt('attempt', { description: 'Results in a row that were not OK; 0 when OK.' }),
    since: t.expose('since', { type: 'DateTime', description: 'Since when it is in this state.' }),
    paused: t.exposeBoolean('paused', { description: 'Whether it is not made at present.' }),
    builtIn: t.exposeBoolean('builtIn', {
      description: 'Whether it came with its service and goes with it.',
    }),
    revision: t.exposeInt('revision', {
      description: 'Grows with every change; give it as expectedRevision to notice changes of others.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    latest: t.field({
      type: CheckResultRef,
      nullable: true,
      description: 'Its newest result; null before the first, or when that is past its retention.',
      resolve: (row, _args, { loaders }) => loaders.latestResult.load(row),
    }),
    results: t.connection(
      {
        type: CheckResultRef,
        description: 'Its results, newest first.',
        complexity: sized,
        resolve: (row, args, context, info) =>
          childPage(context, info, row.id, () => {
            const request = pageRequest(args, (key) => /^\d{1,15}$/.test(key));
            const load = (ids: readonly string[]) => resultsPage(context.control, ids, request);
            return { request, load, keyOf: ({ seq }) => `${seq}` };
          }),
      },
      { name: 'CheckResultConnection', description: 'A page of check results.' },
      { name: 'CheckResultEdge', description: 'One check result in its list.' },
    ),
    incidents: t.connection(
      {
        type: IncidentRef,
        description: 'Its incidents, newest first.',
        complexity: sized,
        resolve: (row, args, context, info) =>
          childPage(context, info, row.id, () => {
            const request = pageRequest(args, isId);
            const load = (ids: readonly string[]) =>
              incidentsPage(context.control, 'check', ids, undefined, request);
            return { request, load, keyOf: ({ id }) => id };
          }),
      },
      IncidentConnection,
    ),
  }),
});

const CheckConnection = builder.connectionObject(
  { type: CheckRef, name: 'CheckConnection', description: 'A page of checks.' },
  { name: 'CheckEdge', description: 'One check in its list.' },
);

for (const [parent, of] of [
  [EnvironmentRef, 'environment'],
  [ServiceRef, 'service'],
] as const)
  builder.objectField(parent as typeof EnvironmentRef, 'checks', (t) =>
    t.connection(
      {
        type: CheckRef,
        description: 'Checks, oldest first.',
        args: {
          state: t.arg({ type: CheckStateEnum, required: false, description: 'Only those in this state.' }),
        },
        complexity: sized,
        resolve: (row, args, context, info) =>
          childPage(context, info, row.id, () => {
            const request = pageRequest(args, isId);
            const states = args.state == null ? null : [args.state];
            const load = (ids: readonly string[]) => checksPage(context.control, of, ids, states, request);
            return { request, load, keyOf: ({ id }) => id };
          }),
      },
      CheckConnection,
    ),
  );

function payload(name: string, description: string) {
  return builder.objectRef<Payload>(name).implement({
    description,
    fields: (t) => ({
      check: t.field({
        type: CheckRef,
        description: 'The check as it is now.',
        resolve: ({ ids }, _args, { loaders }) => loaded(loaders.check.load(ids.checkId ?? '')),
      }),
    }),
  });
}

mutation({
  name: 'createCheck',
  description:
    'Makes a check of a service; it is run within seconds. LIMIT past 1,000 checks of an environment, 4 MiB of their settings or 50 runs of them a second. Needs the scope `deploy`.',
  input: CreateCheckInputRef,
  payload: payload('CreateCheckPayload', 'The new check.'),
  run: (room, caller, input) => {
    const { serviceId, name } = input as unknown as { readonly serviceId: string; readonly name: string };
    const given = givenCheck(input as never);
    return control.createCheck(room, caller, { ...given, name, serviceId: serviceIdOf(serviceId) });
  },
});

mutation({
  name: 'updateCheck',
  description:
    'Changes, pauses or takes up a check, within seconds and without a redeploy. A built-in one keeps its name. Needs the scope `deploy`.',
  input: UpdateCheckInputRef,
  payload: payload('UpdateCheckPayload', 'The changed check.'),
  run: (room, caller, input) => {
    const { checkId } = input as unknown as { readonly checkId: string };
    return control.updateCheck(room, caller, { ...givenCheck(input as never), checkId: checkIdOf(checkId) });
  },
});

mutation({
  name: 'deleteCheck',
  description:
    'Removes a check; its results stay for their retention. CONFLICT for a built-in one: pause it instead. Needs the scope `deploy`.',
  input: builder.inputType('DeleteCheckInput', {
    description: 'Which check goes.',
    fields: (t) => ({ checkId: t.id({ description: 'Which check.' }) }),
  }),
  payload: payload('DeleteCheckPayload', 'The removed check.'),
  run: (room, caller, input) => control.deleteCheck(room, caller, { checkId: checkIdOf(input.checkId) }),
});

mutation({
  name: 'runCheck',
  description:
    'Runs a check now, besides its interval; the result comes in the stream of results. In a sandbox, which has no monitor, this is how checks are made. Needs the scope `deploy`.',
  input: builder.inputType('RunCheckInput', {
    description: 'Which check is run.',
    fields: (t) => ({ checkId: t.id({ description: 'Which check.' }) }),
  }),
  payload: payload('RunCheckPayload', 'The check that will be run.'),
  run: (room, caller, input) => control.runCheck(room, caller, { checkId: checkIdOf(input.checkId) }),
});

function checkIdOf(id: string): string {
  return localId('Check', id, ['input', 'checkId']);
}
