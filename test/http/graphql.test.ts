// GraphQL over HTTP at its door: tokens, origins and forms of a request.
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ask, bearer, codeOf, type Edge, json, openEdge, recording, serveWorld } from './edge.ts';

let edge: Edge;
beforeAll(async () => {
  edge = await openEdge({ allowedOrigins: ['https://console.example.org'] });
});
afterAll(() => edge?.close());

describe('tokens', () => {
  test('a valid one is answered', async () => {
    const { status, body } = await ask(edge, '{ viewer { __typename } }', { token: edge.token.secret });
    expect({ status, body }).toMatchObject({
      status: 200,
      body: { data: { viewer: { __typename: 'Viewer' } } },
    });
  });

  test('without one there is introspection and nothing else', async () => {
    const shown = await ask(edge, '{ __typename __schema { queryType { name } } }');
    expect(shown.body).toMatchObject({
      data: { __typename: 'Query', __schema: { queryType: { name: 'Query' } } },
    });
    const refused = await ask(edge, '{ viewer { __typename } }');
    expect(codeOf(refused.body)).toBe('UNAUTHENTICATED');
    expect(refused.body.data ?? null).toBeNull();
  });

  test.each([
    ['unknown', `Bearer berth_${'0'.repeat(48)}`],
    ['of another kind', 'Basic YTpi'],
    ['two', 'Bearer a b'],
  ])('one that is %s is told 401 in the form of GraphQL', async (_what, authorization) => {
    const { status, headers, body } = await ask(edge, '{ __typename }', { headers: { authorization } });
    expect(status).toBe(401);
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(headers.get('www-authenticate')).toContain('Bearer');
    expect(codeOf(body)).toBe('UNAUTHENTICATED');
  });

  test('an expired one is no longer valid', async () => {
    const { secret } = await edge.addToken({ expiresAt: new Date(Date.now() - 1_000) });
    expect((await ask(edge, '{ __typename }', { token: secret })).status).toBe(401);
  });
});

describe('wrong tokens of one address', () => {
  test('the eleventh in a minute waits; tokens that were valid before are still taken', async () => {
    const server = await serveWorld(edge, edge.repositories, { logger: recording() });
    try {
      expect((await ask({ server }, '{ __typename }', { token: edge.token.secret })).status).toBe(200);
      const statuses: number[] = [];
      for (let guess = 0; guess < 10; guess++)
        statuses.push((await ask({ server }, '{ __typename }', { token: `guess-${guess}` })).status);
      expect(statuses).toEqual(Array(10).fill(401));
      const refused = await ask({ server }, '{ __typename }', { token: 'guess-10' });
      expect(refused.status).toBe(429);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(codeOf(refused.body)).toBe('LIMIT');
      const fresh = await edge.addToken();
      expect((await ask({ server }, '{ __typename }', { token: fresh.secret })).status).toBe(429);
      expect((await ask({ server }, '{ __typename }', { token: edge.token.secret })).status).toBe(200);
      expect((await ask({ server }, '{ __typename }')).status).toBe(200);
    } finally {
      await server.close();
    }
  });

  test('the wait ends', async () => {
    const limits = { guesses: 1, guessWindowMs: 300 };
    const server = await serveWorld(edge, edge.repositories, { logger: recording(), limits });
    try {
      expect((await ask({ server }, '{ __typename }', { token: 'guess' })).status).toBe(401);
      expect((await ask({ server }, '{ __typename }', { token: 'guess' })).status).toBe(429);
      const status = async () =>
        (await ask({ server }, '{ __typename }', { token: edge.token.secret })).status;
      await expect.poll(status, { timeout: 5_000 }).toBe(200);
    } finally {
      await server.close();
    }
  });
});

describe('origins', () => {
  const preflight = (origin: string) =>
    fetch(`${edge.server.url}/graphql`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST' },
    });

  test('a listed one is allowed by name and without credentials', async () => {
    const { status, headers } = await preflight('https://console.example.org');
    expect(status).toBe(204);
    expect(headers.get('access-control-allow-origin')).toBe('https://console.example.org');
    expect(headers.get('access-control-allow-headers')).toContain('authorization');
    expect(headers.get('access-control-allow-credentials')).toBeNull();
    expect(headers.get('vary')).toContain('Origin');
  });

  test.each(['https://evil.example.org', 'null', 'https://console.example.org.evil.org'])(
    'the foreign %s is refused and reflected nowhere',
    async (origin) => {
      const asked = await ask(edge, '{ __typename }', { headers: { origin } });
      for (const { status, headers } of [await preflight(origin), asked]) {
        expect(status).toBe(403);
        expect(headers.get('access-control-allow-origin')).toBeNull();
      }
      expect(codeOf(asked.body)).toBe('FORBIDDEN');
    },
  );

  test("the server's own is allowed", async () => {
    const own = await ask(edge, '{ __typename }', { headers: { origin: edge.server.url } });
    expect(own.status).toBe(200);
  });
});

describe('forms of a request', () => {
  const post = (type: string | undefined, body: string) =>
    fetch(`${edge.server.url}/graphql`, {
      method: 'POST',
      headers: type === undefined ? {} : { 'content-type': type },
      body: Buffer.from(body),
    });

  test.each([
    ['application/x-www-form-urlencoded', 'query=%7B__typename%7D'],
    [
      'multipart/form-data; boundary=x',
      '--x\r\ncontent-disposition: form-data; name="query"\r\n\r\n{__typename}\r\n--x--',
    ],
    ['application/graphql', '{ __typename }'],
    ['text/plain', '{"query":"{ __typename }"}'],
    ['application/json; charset=utf-16', '{"query":"{ __typename }"}'],
    [undefined, '{"query":"{ __typename }"}'],
  ])('a body of %s is refused', async (type, body) => {
    const response = await post(type, body);
    expect(response.status).toBe(415);
    expect(codeOf(await response.json())).toBe('BAD_REQUEST');
  });

  test.each([
    '{',
    'null',
    '[]',
    '"text"',
    '{"query":1}',
    '{"query":"{ __typename }","variables":[]}',
    '{"extra":1}',
  ])('the body %s gets a clear error and no 5xx', async (body) => {
    const response = await post('application/json', body);
    const answer = await response.json();
    expect(response.status).toBe(400);
    expect(answer.errors[0].message).toMatch(/\w/);
    expect(JSON.stringify(answer)).not.toMatch(/originalError|stack|INTERNAL/);
  });

  test('parameters of a URL that are no JSON get a clear error', async () => {
    const response = await fetch(`${edge.server.url}/graphql?query={__typename}&variables=x`);
    expect(response.status).toBe(400);
    expect(codeOf(await response.json())).toBe('BAD_REQUEST');
  });

  test('a body of more than 1 MiB is refused, announced or not', async () => {
    const body = JSON.stringify({ query: '{ __typename }', variables: { a: 'x'.repeat(1_100_000) } });
    expect((await post('application/json', body)).status).toBe(413);
    const chunked = await fetch(`${edge.server.url}/graphql`, {
      method: 'POST',
      headers: json,
      body: new Blob([body]).stream(),
      duplex: 'half',
    } as RequestInit);
    expect(chunked.status).toBe(413);
  });

  test('a query may come by GET and a mutation may not', async () => {
    const get = (query: string) =>
      fetch(`${edge.server.url}/graphql?query=${encodeURIComponent(query)}`, {
        headers: bearer(edge.token.secret),
      });
    expect((await get('{ viewer { __typename } }')).status).toBe(200);
    const mutation = 'mutation { createToken(input: { name: "x", scopes: [READ] }) { __typename } }';
    expect((await get(mutation)).status).toBe(405);
    expect((await fetch(`${edge.server.url}/graphql`, { method: 'PUT' })).status).toBe(405);
  });

  test('variables of the wrong type are told by name and place', async () => {
    const mutation = 'mutation Make($input: CreateTokenInput!) { createToken(input: $input) { __typename } }';
    const { status, body } = await ask(edge, mutation, {
      token: edge.token.secret,
      variables: { input: { name: 5, scopes: ['NONE'] } },
    });
    expect(status).toBe(200);
    const told = JSON.stringify(body.errors);
    expect(told).toMatch(/\$input/);
    expect(told).toContain('at .scopes[0]');
    expect(codeOf(body)).toBe('BAD_USER_INPUT');
  });

  test('a subscription without a stream to answer it is told which to ask for', async () => {
    const { status, body } = await ask(edge, 'subscription { environment(id: "x") { id } }', {
      token: edge.token.secret,
    });
    expect(status).toBe(406);
    expect(body.errors?.[0]?.message).toContain('text/event-stream');
  });

  test('a Host that makes no address is no fault of ours', async () => {
    const status = await new Promise((resolve, reject) => {
      const url = `${edge.server.url}/graphql?query={__typename}`;
      const request = httpRequest(url, { headers: { host: 'a b[' } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      request.on('error', reject).end();
    });
    expect(status).toBe(200);
  });

  test('a body that never ends is given up', async () => {
    const server = await serveWorld(edge, edge.repositories, {
      logger: recording(),
      limits: { bodyMs: 100 },
    });
    try {
      const status = await new Promise((resolve, reject) => {
        const options = { method: 'POST', headers: { ...json, 'content-length': '100' } };
        const request = httpRequest(`${server.url}/graphql`, options, (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        request.on('error', reject);
        request.write('{');
      });
      expect(status).toBe(408);
    } finally {
      await server.close();
    }
  });

  test('what is nowhere is not found', async () => {
    for (const path of ['/', '/graphqlx', '/graphql/', '/health/x'])
      expect((await fetch(`${edge.server.url}${path}`)).status).toBe(404);
  });
});

test('answers are kept by nobody, framed by nobody and of the type they say', async () => {
  for (const { headers } of [await ask(edge, '{ __typename }'), await fetch(`${edge.server.url}/health`)]) {
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
  }
});
