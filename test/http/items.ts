// Items of a log stream as each carrier gives them, up to the mark where the past ends or to the stream's end. The
// documents call the stream `it`.
import { bearer, connect, type Edge, type GraphqlAnswer, json, openStream, readEvents } from './edge.ts';

export interface Item {
  readonly __typename: string;
  readonly cursor: string;
  readonly message?: string;
  readonly reason?: string;
  readonly from?: string | null;
  readonly to?: string;
}

/** Whatever an item tells is an Item here, markers go by their names. */
export const kindsOf = (items: readonly Item[]): string =>
  items.map((item) => (item.message === undefined ? item.__typename : 'Item')).join(' ');

function itemOf({ data, errors }: GraphqlAnswer): Item {
  if (errors !== undefined) throw new Error(JSON.stringify(errors));
  return (data as { it: Item }).it;
}

export async function byStream(
  edge: Edge,
  query: string,
  variables: object,
  headers: Record<string, string> = {},
): Promise<Item[]> {
  const events = readEvents(await openStream(edge, query, { token: edge.token.secret, variables, headers }));
  const items: Item[] = [];
  for await (const { event, id, data } of events) {
    if (event === 'complete') break;
    const item = itemOf(JSON.parse(data));
    if (id !== item.cursor) throw new Error(`the id of ${data} is ${id}`);
    items.push(item);
    if (item.__typename === 'CaughtUp') break;
  }
  return items;
}

export async function bySocket(edge: Edge, query: string, variables: object): Promise<Item[]> {
  const client = await connect(edge.server.url, { token: edge.token.secret });
  client.subscribe('1', query, variables);
  await client.message(
    ({ type, payload }) =>
      type === 'complete' || type === 'error' || /"(CaughtUp|errors)"/.test(JSON.stringify(payload ?? '')),
  );
  client.socket.close();
  return client.messages.flatMap(({ id, type, payload }) =>
    id === '1' && type === 'next' && payload !== undefined ? [itemOf(payload)] : [],
  );
}

/** The data of a query. */
export async function dataOf(
  edge: Edge,
  query: string,
  variables: object,
  headers: Record<string, string> = {},
  // biome-ignore lint/suspicious/noExplicitAny: what a document answers with is known to the test that wrote it.
): Promise<any> {
  const response = await fetch(`${edge.server.url}/graphql`, {
    method: 'POST',
    headers: { ...json, ...bearer(edge.token.secret), ...headers },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as GraphqlAnswer;
  if (errors !== undefined) throw new Error(JSON.stringify(errors));
  return data;
}
