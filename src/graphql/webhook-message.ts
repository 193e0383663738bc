// The body of a webhook's message, by the Standard Webhooks specification: type, time, and what the event stream gives of
// the event, with the same ids and the same cursor, so that a receiver can go on with either.
import { writeCursor } from '../control/cursors.ts';
import type { LoggedEvent, Position } from '../model/events.ts';
import { writeGlobalId } from './global-id.ts';

/** Types of what fields of an event's data name. */
const named: Readonly<Record<string, string>> = {
  certificateId: 'Certificate',
  checkId: 'Check',
  incidentId: 'Incident',
  releaseId: 'Release',
  ticketId: 'SupportTicket',
  webhookId: 'Webhook',
  windowId: 'MaintenanceWindow',
};

/** `event` is undefined where the log no longer has it: that is told instead, and that the receiver should read anew. */
export function webhookBody(event: LoggedEvent | undefined, place: Position): string {
  const cursor = writeCursor(place);
  const environmentId = writeGlobalId('Environment', place.environmentId);
  if (event === undefined) {
    const message =
      'Events up to here are past their retention and can not be sent. Read the present state anew.';
    return JSON.stringify({ type: 'GAP', timestamp: null, data: { cursor, environmentId, message } });
  }
  const { type, occurredAt, message, serviceId, redeployId, jobId } = event;
  const data = {
    cursor,
    environmentId,
    serviceId: idOf('Service', serviceId),
    redeployId: idOf('Redeploy', redeployId),
    jobId: idOf('Job', jobId),
    message,
    details: Object.fromEntries(
      Object.entries(event.data).map(([field, value]) => {
        const typename = named[field];
        return [
          field,
          typename !== undefined && typeof value === 'string' ? writeGlobalId(typename, value) : value,
        ];
      }),
    ),
  };
  return JSON.stringify({ type, timestamp: occurredAt.toISOString(), data });
}

function idOf(type: string, id: string | null): string | null {
  return id === null ? null : writeGlobalId(type, id);
}
