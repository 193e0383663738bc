// A subscription to an environment's events, as the tests of every carrier send it.
import type { GraphqlAnswer } from './edge.ts';

export const watchEvents = `subscription Watch($environmentId: ID!, $after: Cursor) {
  environmentEvents(environmentId: $environmentId, after: $after) {
    __typename
    ... on Event { cursor message }
    ... on CaughtUp { cursor }
    ... on Heartbeat { cursor }
    ... on Gap { cursor reason }
  }
}`;

export function globalId(type: string, id: string): string {
  return Buffer.from(`${type}:${id}`).toString('base64url');
}

export function watching(environmentId: string, after?: string) {
  return { environmentId: globalId('Environment', environmentId), after };
}

export interface Item {
  readonly __typename: string;
  readonly cursor: string;
  readonly message?: string;
}

export function itemOf(answer: GraphqlAnswer | undefined): Item | undefined {
  return (answer?.data as { environmentEvents?: Item } | null | undefined)?.environmentEvents;
}
