// What a client is told of errors, and what the log is; and what health says of the parts.
import { GraphQLError, GraphQLNonNull, GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InvalidInput, LimitReached } from '../../src/errors.ts';
import { openStore } from '../../src/postgres/open.ts';
import { ask, codeOf, type Edge, openEdge, recording, serveWorld } from './edge.ts';

let edge: Edge;
beforeAll(async () => {
  edge = await openEdge();
});
afterAll(() => edge?.close());

describe('errors', () => {
  const logged: string[] = [];
  const fault = () => {
    throw new Error('postgres://berth:hunter2@db');
  };
  const refusal = () => {
    throw new InvalidInput(['input', 'name'], 'must be shorter.');
  };
  const field = (resolve: () => never) => ({ type: GraphQLString, resolve });
  const schema = new GraphQLSchema({
    query: new GraphQLObjectType({
      name: 'Query',
      fields: {
        fault: field(fault),
        needed: { type: new GraphQLNonNull(GraphQLString), resolve: fault },
        refused: field(refusal),
        limited: field(() => {
          throw new LimitReached('There are enough.', ['input'], 3, 4);
        }),
        own: field(() => {
          throw new GraphQLError('Of GraphQL.', { extensions: { code: 'OWN' } });
        }),
        thrown: field(() => {
          throw 'just text';
        }),
        locked: field(() => {
          throw wrapped('55P03');
        }),
        slow: field(() => {
          throw wrapped('57014');
        }),
        ended: field(() => {
          throw failing('PostgresError', '57P01');
        }),
        cut: field(() => {
          throw failing('Error', 'CONNECTION_CLOSED');
        }),
        refusedToConnect: field(() => {
          throw wrapped('ECONNREFUSED', 'Error');
        }),
        engine: field(() => {
          throw failing('EngineFault', undefined);
        }),
        wrong: field(() => {
          throw wrapped('23505');
        }),
      },
    }),
  });

  function failing(name: string, code: string | undefined): Error {
    return Object.assign(new Error('of hunter2'), { name, code });
  }
  function wrapped(code: string, name = 'PostgresError'): Error {
    const cause = failing(name, code);
    return Object.assign(new Error('Failed query: select hunter2', { cause }), { name: 'DrizzleQueryError' });
  }

  async function answerTo(query: string) {
    const logger = recording(logged);
    const server = await serveWorld(edge, edge.repositories, { logger, schema });
    try {
      return await ask({ server }, query);
    } finally {
      await server.close();
    }
  }

  test('a fault is hidden behind an id that is in the log once', async () => {
    logged.length = 0;
    const { status, body } = await answerTo('{ fault }');
    expect(status).toBe(200);
    const { message = '', extensions, path } = body.errors?.[0] ?? {};
    expect(message).toContain('Something failed on our side');
    expect(path).toEqual(['fault']);
    expect(Object.keys(extensions ?? {}).sort()).toEqual(['code', 'id']);
    expect(JSON.stringify(body)).not.toMatch(/hunter2|stack|originalError/);
    const lines = logged.filter((line) => line.includes(String(extensions?.id)));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('hunter2');
  });

  test('a fault of the whole answer is told by the log once, too', async () => {
    logged.length = 0;
    const { body } = await answerTo('{ needed thrown }');
    expect(JSON.stringify(body)).not.toMatch(/hunter2|just text/);
    expect(logged.filter((line) => line.includes('hunter2'))).toHaveLength(1);
  });

  test.each([
    ['locked', /database/],
    ['slow', /database/],
    ['ended', /database/],
    ['cut', /database/],
    ['refusedToConnect', /database/],
    ['engine', /engine/],
  ])(
    'of a part that does not answer (%s) is UNAVAILABLE, says what to do and is logged once',
    async (name, part) => {
      logged.length = 0;
      const { status, body } = await answerTo(`{ ${name} }`);
      expect(status).toBe(200);
      const { message = '', extensions } = body.errors?.[0] ?? {};
      expect(extensions).toEqual({ code: 'UNAVAILABLE', id: expect.any(String) });
      expect(message).toMatch(part);
      expect(message).toContain('ry again');
      expect(JSON.stringify(body)).not.toContain('hunter2');
      expect(logged.filter((line) => line.includes(String(extensions?.id)))).toHaveLength(1);
    },
  );

  test('a mistake in a query stays a fault of ours', async () => {
    const { status, body } = await answerTo('{ wrong }');
    expect(status).toBe(200);
    expect(codeOf(body)).toBe('INTERNAL');
  });

  test('a refusal keeps its sentence, code, input path and counts, and is not logged', async () => {
    logged.length = 0;
    const { body } = await answerTo('{ refused limited own }');
    expect(body.errors?.map(({ message, extensions }) => ({ message, ...extensions }))).toEqual([
      { message: 'must be shorter.', code: 'INVALID', path: ['input', 'name'] },
      { message: 'There are enough.', code: 'LIMIT', path: ['input'], limit: 3, current: 4 },
      { message: 'Of GraphQL.', code: 'OWN' },
    ]);
    expect(logged).toEqual([]);
  });
});

test('while the database can not be asked who calls, the answer is 503 and UNAVAILABLE', async () => {
  const logged: string[] = [];
  const store = openStore('postgres://nobody@127.0.0.1:1/none');
  const control = { ...edge.control, store };
  const server = await serveWorld({ control }, edge.repositories, { logger: recording(logged) });
  try {
    const { status, body } = await ask({ server }, '{ __typename }', { token: edge.token.secret });
    expect(status).toBe(503);
    expect(codeOf(body)).toBe('UNAVAILABLE');
    expect(logged).toHaveLength(1);
  } finally {
    await server.close();
    await store.close();
  }
});

describe('health', () => {
  test('however many ask at once or one after the other, the parts are asked once a second', async () => {
    const looks: number[] = [];
    const gate = Promise.withResolvers<void>();
    const health = async () => {
      looks.push(performance.now());
      await gate.promise;
      return { healthy: true, parts: {} };
    };
    const server = await serveWorld(edge, edge.repositories, { logger: recording(), health });
    try {
      const asking = Array.from({ length: 20 }, () => fetch(`${server.url}/health`));
      await expect.poll(() => looks.length).toBe(1);
      gate.resolve();
      for (const { status } of await Promise.all(asking)) expect(status).toBe(200);
      while (looks.length < 3) await (await fetch(`${server.url}/health`)).text();
      const [first = 0, second = 0, third = 0] = looks;
      expect(second - first).toBeGreaterThanOrEqual(1_000);
      expect(third - second).toBeGreaterThanOrEqual(1_000);
    } finally {
      await server.close();
    }
  });

  test.each([
    [true, 200],
    [false, 503],
  ])('when healthy is %s the status is %i', async (healthy, status) => {
    const report = { healthy, parts: { engine: { healthy, message: 'As it is.' } } };
    const server = await serveWorld(edge, edge.repositories, {
      logger: recording(),
      health: async () => report,
    });
    try {
      const response = await fetch(`${server.url}/health`);
      expect(response.status).toBe(status);
      expect(await response.json()).toEqual(report);
    } finally {
      await server.close();
    }
  });

  test('when the parts can not be asked the status is 503', async () => {
    const health = () => Promise.reject(new Error('hunter2'));
    const server = await serveWorld(edge, edge.repositories, { logger: recording(), health });
    try {
      const response = await fetch(`${server.url}/health`);
      expect(response.status).toBe(503);
      expect(await response.text()).not.toContain('hunter2');
    } finally {
      await server.close();
    }
  });
});
