// Receivers of webhooks on this machine: what they were sent, how they answer, and the webhooks that lead to them.
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { renameEnvironment } from '../../src/control/environments.ts';
import { createWebhook } from '../../src/control/webhooks.ts';
import type { EventType } from '../../src/model/events.ts';
import type { DeliveredType } from '../../src/model/webhooks.ts';
import { newEnvironment, type World } from './world.ts';

const servers: Server[] = [];

export interface Message {
  readonly id: string;
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly type: DeliveredType;
  readonly data: { readonly cursor: string; readonly message: string; readonly details?: object };
}

export interface Receiver {
  readonly url: string;
  readonly got: Message[];
  /** How the next ones are answered. */
  answer: RequestListener;
}

export async function receiver(
  answer: RequestListener = (_request, response) => response.end(),
): Promise<Receiver> {
  const got: Message[] = [];
  const server = createServer(async (request, response) => {
    const body = await textOf(request);
    const headers = request.headers as Record<string, string>;
    got.push({ id: headers['webhook-id'] ?? '', headers, body, ...JSON.parse(body) });
    made.answer(request, response);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const made: Receiver = { url: `http://127.0.0.1:${port}/hook`, got, answer };
  return made;
}

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

export function closeReceivers(): void {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
}

/** In an environment of its own. */
export async function hooked(
  world: World,
  url: string,
  eventTypes: readonly EventType[] | null = ['ENVIRONMENT_RENAMED'],
) {
  const environmentId = await newEnvironment(world);
  const { ids } = await createWebhook(world.control, world.caller, { environmentId, url, eventTypes });
  return { environmentId, ...ids };
}

export function rename(world: World, environmentId: string, name: string) {
  return renameEnvironment(world.control, world.caller, { environmentId, name });
}
