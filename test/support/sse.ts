// A client of GraphQL over SSE, reading as the format says: events with their id, until the server completes the stream.
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';

export interface SseEvent {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

export async function* readEvents(
  url: string,
  token: string,
  query: string,
  signal: AbortSignal,
  lastEventId?: string,
): AsyncGenerator<SseEvent, void, undefined> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    signal,
    headers: {
      accept: 'text/event-stream',
      'content-type': 'application/json',
      authorization: `Bearer ${token}`,
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    },
    body: JSON.stringify({ query }),
  });
  if (response.status !== 200 || response.body === null)
    throw new Error(`${response.status}: ${await response.text()}`);
  const input = Readable.fromWeb(response.body as ReadableStream);
  try {
    yield* eventsIn(createInterface({ input }));
  } finally {
    // Whoever leaves early gives the connection back; nobody would hear of its end by the signal any more.
    input.destroy();
  }
}

async function* eventsIn(lines: AsyncIterable<string>): AsyncGenerator<SseEvent, void, undefined> {
  let fields: Record<string, string> = {};
  for await (const line of lines) {
    if (line === '') {
      if (fields.event !== undefined)
        yield { id: fields.id ?? '', event: fields.event, data: fields.data ?? '' };
      fields = {};
      continue;
    }
    const [, name, value] = /^([a-z]+): ?(.*)$/.exec(line) ?? [];
    if (name !== undefined) fields[name] = value ?? '';
  }
}
