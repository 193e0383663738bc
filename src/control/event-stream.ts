// Streams of the event log: of an environment, of one redeploy, and the marks that state streams go by.
import { NotFound } from '../errors.ts';
import { authorise, type Caller } from '../model/callers.ts';
import type { EventType, LoggedEvent, Position } from '../model/events.ts';
import { listEnvironmentsById } from '../postgres/environments.ts';
import { listRedeploysById } from '../postgres/redeploys.ts';
import type { Control } from './control.ts';
import { loadServices } from './loading.ts';
import {
  type LogPage,
  readPage,
  type Selection,
  type StreamItem,
  streamChanges,
  streamLog,
} from './numbered-stream.ts';
import { placeOf } from './visibility.ts';

export type EventItem = StreamItem<LoggedEvent>;

export interface EventSelection
  extends Pick<Selection<LoggedEvent, string>, 'environmentId' | 'after' | 'begin' | 'ended'> {
  readonly redeployId?: string;
  readonly types?: readonly EventType[];
}

export function streamEvents(
  control: Control,
  selection: EventSelection,
  signal: AbortSignal,
): AsyncGenerator<EventItem, void, undefined> {
  return streamLog(selectionOf(control, selection), signal);
}

export function readEvents(
  control: Control,
  selection: EventSelection,
  limit: number,
): Promise<LogPage<LoggedEvent>> {
  return readPage(selectionOf(control, selection), limit);
}

function selectionOf({ log }: Control, selection: EventSelection): Selection<LoggedEvent, string> {
  const { redeployId, types, ...rest } = selection;
  return {
    ...rest,
    log,
    cursors: 'EVENTS',
    wants: types && ((event) => types.includes(event.type)),
    part:
      redeployId === undefined
        ? undefined
        : {
            of: redeployId,
            belongs: (event) => event.redeployId === redeployId,
            opens: (event) => event.type === 'REDEPLOY_REQUESTED',
          },
    isLast: (event) => isDeletion(event) || (redeployId !== undefined && event.type === 'REDEPLOY_ENDED'),
  };
}

function isDeletion(event: LoggedEvent): boolean {
  return event.type === 'ENVIRONMENT_DELETED';
}

type Subject = Pick<EventSelection, 'environmentId' | 'redeployId' | 'ended'>;

export async function environmentSelection(
  control: Control,
  caller: Caller,
  environmentId: string,
): Promise<Subject> {
  const find = async () => (await listEnvironmentsById(control.store.db, [environmentId]))[0];
  const row = await find();
  if (row === undefined) throw new NotFound('environment', ['environmentId']);
  const place = { organizationId: row.organizationId, environmentId };
  authorise(caller, 'READ', place, 'environment', ['environmentId']);
  return { environmentId, ended: async () => (await find())?.deletedAt !== null };
}

export async function redeploySelection(
  control: Control,
  caller: Caller,
  redeployId: string,
): Promise<Subject> {
  const find = async () => (await listRedeploysById(control.store.db, [redeployId]))[0];
  const row = await find();
  const place = row && (await placeOf(control, row.environmentId));
  if (row === undefined || place === undefined) throw new NotFound('redeploy', ['redeployId']);
  const { environmentId } = row;
  authorise(caller, 'READ', place, 'redeploy', ['redeployId']);
  return { environmentId, redeployId, ended: async () => (await find())?.endedAt !== null };
}

/** What a state stream is of: all of an environment, or one service of it. */
export interface StateSubject {
  readonly environmentId: string;
  readonly serviceId?: string;
  readonly ended: () => Promise<boolean>;
}

/** State streams: a mark at once, then one whenever something that concerns the subject has happened. */
export function streamEventMarks(
  { log }: Control,
  { environmentId, serviceId, ended }: StateSubject,
  signal: AbortSignal,
): AsyncGenerator<Position, void, undefined> {
  const concerns = (event: LoggedEvent) => serviceId === undefined || event.serviceId === serviceId;
  const isEnd = (event: LoggedEvent) => event.type === 'SERVICE_DELETED' && event.serviceId === serviceId;
  const isLast = (event: LoggedEvent) => isDeletion(event) || isEnd(event);
  return streamChanges({ log, environmentId, isLast, ended }, concerns, signal);
}

/** The service that the caller sees; NotFound when it sees none. */
export async function serviceSubject(
  control: Control,
  caller: Caller,
  serviceId: string,
): Promise<StateSubject> {
  const find = async () => (await loadServices(control, caller, [serviceId])).get(serviceId);
  const row = await find();
  if (row === undefined) throw new NotFound('service', ['id']);
  return {
    environmentId: row.environmentId,
    serviceId,
    ended: async () => (await find())?.deletedAt !== null,
  };
}
