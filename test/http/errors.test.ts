// What a client is told of errors, and what the log is; and what health says of the parts.
import { GraphQLError, GraphQLNonNull, GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InvalidInput, LimitReached } from '../../src/errors.ts';
import { ask, type Edge, openEdge, recording, serveWorld } from './edge.ts';

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
      },
    }),
  });

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

describe('health', () => {
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
