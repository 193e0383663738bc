// Who gets a WebSocket: by origin, by token, in time and in number.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { connect, type Edge, openEdge, recording, serveWorld, type TestSocket } from './edge.ts';

let edge: Edge;
beforeAll(async () => {
  edge = await openEdge({ allowedOrigins: ['https://console.example.org'] });
});
afterAll(() => edge?.close());

const open: TestSocket[] = [];
async function socket(options: Parameters<typeof connect>[1] = { token: edge.token.secret }) {
  const client = await connect(edge.server.url, options);
  open.push(client);
  return client;
}
afterAll(() => {
  for (const { socket: one } of open) one.terminate();
});

describe('the door', () => {
  test.each([
    ['a foreign origin', { headers: { origin: 'https://evil.example.org' } }, 403],
    ['an origin that is none', { headers: { origin: 'null' } }, 403],
  ])('%s is refused at the upgrade', async (_what, options, status) => {
    await expect(connect(edge.server.url, options)).rejects.toThrow(String(status));
  });

  test('a listed origin, the own and none at all are let in', async () => {
    for (const headers of [{ origin: 'https://console.example.org' }, { origin: edge.server.url }, {}]) {
      const client = await socket({ token: edge.token.secret, headers });
      expect(client.messages[0]?.type).toBe('connection_ack');
    }
  });

  test('another address has no sockets', async () => {
    await expect(connect(`${edge.server.url}/other`)).rejects.toThrow('404');
  });

  test('another protocol is closed with 4406', async () => {
    const client = await socket({ protocol: 'graphql-ws' }).catch((error: Error) => error);
    // The server picks none of the offered protocols; a client may take that as the refusal it is.
    if (client instanceof Error) expect(client.message).toContain('subprotocol');
    else expect((await client.closed).code).toBe(4406);
  });

  test.each([
    ['no token', undefined],
    ['an empty payload', {}],
    ['a token nobody has', { Authorization: 'Bearer berth_x' }],
    ['a token of no text', { Authorization: 5 }],
  ])('%s is closed with 4401', async (_what, payload) => {
    const client = await socket({});
    client.send({ type: 'connection_init', payload });
    expect((await client.closed).code).toBe(4401);
  });

  test('a token in the URL is no token', async () => {
    const url = `${edge.server.url.replace('http', 'ws')}/graphql?token=${edge.token.secret}`;
    const raw = new WebSocket(url, 'graphql-transport-ws');
    const closed = new Promise((resolve) => raw.once('close', resolve));
    raw.once('open', () => raw.send('{"type":"connection_init"}'));
    expect(await closed).toBe(4401);
  });

  test('lower-case authorization in the payload is taken, too', async () => {
    const client = await socket({});
    client.send({ type: 'connection_init', payload: { authorization: `Bearer ${edge.token.secret}` } });
    expect((await client.message(() => true)).type).toBe('connection_ack');
  });

  test('wrong tokens count as guesses, and then the socket is told to come back later', async () => {
    const limits = { guesses: 2 };
    const server = await serveWorld(edge, edge.repositories, { logger: recording(), limits });
    try {
      const codes: number[] = [];
      for (let guess = 0; guess < 3; guess++)
        codes.push((await (await connect(server.url, { token: `guess-${guess}` })).closed).code);
      expect(codes).toEqual([4401, 4401, 1013]);
    } finally {
      await server.close();
    }
  });

  test('who does not init in time is closed with 4408', async () => {
    const limits = { initMs: 100 };
    const server = await serveWorld(edge, edge.repositories, { logger: recording(), limits });
    try {
      expect((await (await connect(server.url)).closed).code).toBe(4408);
    } finally {
      await server.close();
    }
  });

  test('a token has at most 20 sockets, and room again when one closes', async () => {
    const { secret } = await edge.addToken();
    const clients = [];
    for (let number = 0; number < 20; number++) clients.push(await socket({ token: secret }));
    const refused = await socket({ token: secret });
    expect(await refused.closed).toMatchObject({ code: 1013 });
    expect((await socket()).messages[0]?.type).toBe('connection_ack');
    clients[0]?.socket.close();
    await clients[0]?.closed;
    const again = async () => (await socket({ token: secret })).messages[0]?.type;
    await expect.poll(again, { timeout: 2_000 }).toBe('connection_ack');
    for (const client of clients) client.socket.terminate();
  });

  test('an operation before init is closed with 4401', async () => {
    const client = await socket({});
    client.subscribe('1', '{ __typename }');
    expect((await client.closed).code).toBe(4401);
  });
});
