// Incidents and planned maintenance: the types, their lists on an environment, and the mutations.
import * as control from '../control/incidents.ts';
import { incidentsPage, maintenanceWindowsPage } from '../control/monitoring-loading.ts';
import { isId } from '../ids.ts';
import { builder } from './builder.ts';
import { CheckStateEnum, IncidentStateEnum, ResolutionEnum } from './check-enums.ts';
import { childPage, pageRequest } from './connections.ts';
import { sized } from './environment.ts';
import { loadEach, loaded, localId } from './ids.ts';
import { mutation, type Payload } from './mutation.ts';
import { ActorRef } from './redeploy.ts';
import { CheckRef, EnvironmentRef, IncidentRef, MaintenanceWindowRef, ServiceRef } from './refs.ts';

builder.node(IncidentRef, {
  description:
    'A check in a hard state other than OK that nothing excuses: no maintenance, no flapping, no pause, nothing it depends on. Opened once, resolved by itself.',
  id: { resolve: (row) => row.id, description: 'Global id.' },
  loadManyWithoutCache: (ids, { loaders }) => loadEach(loaders.incident, ids),
  fields: (t) => ({
    check: t.field({
      type: CheckRef,
      description: 'The check that raised it, as it is now.',
      resolve: (row, _args, { loaders }) => loaded(loaders.check.load(row.checkId)),
    }),
    service: t.field({
      type: ServiceRef,
      description: 'The service it is about.',
      resolve: (row, _args, { loaders }) => loaded(loaders.service.load(row.serviceId)),
    }),
    state: t.expose('state', { type: IncidentStateEnum, description: 'How far it is.' }),
    worst: t.expose('worst', {
      type: CheckStateEnum,
      description: 'The worst that was seen while it was open.',
    }),
    output: t.exposeString('output', { description: 'What the check said as it opened.' }),
    openedAt: t.expose('openedAt', { type: 'DateTime', description: 'When the deciding result was made.' }),
    acknowledgedAt: t.expose('acknowledgedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When somebody said to take care of it.',
    }),
    acknowledgedBy: t.field({
      type: ActorRef,
      nullable: true,
      description: 'Who takes care of it.',
      resolve: (row) => (row.acknowledgedBy === null ? null : { name: row.acknowledgedBy }),
    }),
    note: t.exposeString('note', { nullable: true, description: 'What they said.' }),
    resolvedAt: t.expose('resolvedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was over; null while it is open.',
    }),
    resolution: t.expose('resolution', {
      type: ResolutionEnum,
      nullable: true,
      description: 'Why it ended; null while it is open.',
    }),
  }),
});

export const IncidentConnection = builder.connectionObject(
  { type: IncidentRef, name: 'IncidentConnection', description: 'A page of incidents.' },
  { name: 'IncidentEdge', description: 'One incident in its list.' },
);

builder.objectField(EnvironmentRef, 'incidents', (t) =>
  t.connection(
    {
      type: IncidentRef,
      description: 'Its incidents, newest first.',
      args: {
        open: t.arg.boolean({
          required: false,
          description: 'Only those not resolved, or only resolved ones.',
        }),
      },
      complexity: sized,
      resolve: (row, args, context, info) =>
        childPage(context, info, row.id, () => {
          const request = pageRequest(args, isId);
          const open = args.open ?? undefined;
          const load = (ids: readonly string[]) =>
            incidentsPage(context.control, 'environment', ids, open, request);
          return { request, load, keyOf: ({ id }) => id };
        }),
    },
    IncidentConnection,
  ),
);

builder.node(MaintenanceWindowRef, {
  description: 'Planned maintenance: results of checks are kept and marked, and raise no incident.',
  id: { resolve: (row) => row.id, description: 'Global id.' },
  loadManyWithoutCache: (ids, { loaders }) => loadEach(loaders.maintenanceWindow, ids),
  fields: (t) => ({
    service: t.field({
      type: ServiceRef,
      nullable: true,
      description: 'The service it is for; null: all of the environment.',
      resolve: (row, _args, { loaders }) =>
        row.serviceId === null ? null : loaders.service.load(row.serviceId),
    }),
    startsAt: t.expose('startsAt', { type: 'DateTime', description: 'When it begins.' }),
    endsAt: t.expose('endsAt', { type: 'DateTime', description: 'When it ends.' }),
    note: t.exposeString('note', { nullable: true, description: 'Why.' }),
    createdBy: t.field({
      type: ActorRef,
      description: 'Who planned it.',
      resolve: (row) => ({ name: row.createdBy }),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was planned.' }),
  }),
});

builder.objectField(EnvironmentRef, 'maintenanceWindows', (t) =>
  t.connection(
    {
      type: MaintenanceWindowRef,
      description: 'Its planned maintenance, newest first.',
      complexity: sized,
      resolve: (row, args, context, info) =>
        childPage(context, info, row.id, () => {
          const request = pageRequest(args, isId);
          const load = (ids: readonly string[]) => maintenanceWindowsPage(context.control, ids, request);
          return { request, load, keyOf: ({ id }) => id };
        }),
    },
    { name: 'MaintenanceWindowConnection', description: 'A page of maintenance windows.' },
    { name: 'MaintenanceWindowEdge', description: 'One maintenance window in its list.' },
  ),
);

mutation({
  name: 'acknowledgeIncident',
  description:
    'Says that somebody takes care of an incident. CONFLICT when it is not OPEN. Needs the scope `deploy`.',
  input: builder.inputType('AcknowledgeIncidentInput', {
    description: 'Which incident.',
    fields: (t) => ({
      incidentId: t.id({ description: 'Which incident.' }),
      note: t.string({ required: false, description: 'A word to others, up to 1,000 characters.' }),
    }),
  }),
  payload: builder.objectRef<Payload>('AcknowledgeIncidentPayload').implement({
    description: 'The acknowledged incident.',
    fields: (t) => ({
      incident: t.field({
        type: IncidentRef,
        description: 'The incident as it is now.',
        resolve: ({ ids }, _args, { loaders }) => loaded(loaders.incident.load(ids.incidentId ?? '')),
      }),
    }),
  }),
  run: (room, caller, input) =>
    control.acknowledgeIncident(room, caller, {
      ...input,
      incidentId: localId('Incident', input.incidentId, ['input', 'incidentId']),
    }),
});

function windowPayload(name: string, description: string) {
  return builder.objectRef<Payload>(name).implement({
    description,
    fields: (t) => ({
      window: t.field({
        type: MaintenanceWindowRef,
        description: 'The window as it is now.',
        resolve: ({ ids }, _args, { loaders }) => loaded(loaders.maintenanceWindow.load(ids.windowId ?? '')),
      }),
    }),
  });
}

mutation({
  name: 'planMaintenance',
  description: 'Plans maintenance of an environment or one service of it. Needs the scope `deploy`.',
  input: builder.inputType('PlanMaintenanceInput', {
    description: 'A maintenance window.',
    fields: (t) => ({
      environmentId: t.id({ description: 'Which environment.' }),
      serviceId: t.id({ required: false, description: 'Which service; all when absent.' }),
      startsAt: t.field({ type: 'DateTime', required: true, description: 'When it begins.' }),
      endsAt: t.field({
        type: 'DateTime',
        required: true,
        description: 'When it ends: in the future, and at most 30 days after its beginning.',
      }),
      note: t.string({ required: false, description: 'Why, up to 1,000 characters.' }),
      idempotencyKey: t.string({ required: false, description: 'The same key has one effect.' }),
    }),
  }),
  payload: windowPayload('PlanMaintenancePayload', 'The planned window.'),
  run: (room, caller, input) =>
    control.planMaintenance(room, caller, {
      ...input,
      environmentId: localId('Environment', input.environmentId, ['input', 'environmentId']),
      serviceId: input.serviceId == null ? null : localId('Service', input.serviceId, ['input', 'serviceId']),
    }),
});

mutation({
  name: 'endMaintenance',
  description:
    'Ends a maintenance window now; one that has not begun never does. CONFLICT when it is over. Needs the scope `deploy`.',
  input: builder.inputType('EndMaintenanceInput', {
    description: 'Which window ends.',
    fields: (t) => ({ windowId: t.id({ description: 'Which window.' }) }),
  }),
  payload: windowPayload('EndMaintenancePayload', 'The ended window.'),
  run: (room, caller, input) =>
    control.endMaintenance(room, caller, {
      windowId: localId('MaintenanceWindow', input.windowId, ['input', 'windowId']),
    }),
});
