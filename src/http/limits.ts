// The figures of the edge in one place. Tests make some of them smaller; production takes them as they stand.

export const edgeLimits = {
  /** Of a GraphQL request's body, in bytes, and the time it may take to arrive. */
  bodyBytes: 1024 * 1024,
  bodyMs: 30_000,
  /** How long a client may take nothing of what is sent to it. */
  sendMs: 30_000,
  /** Between the announcement of a socket's closing and its end by force. */
  closeMs: 500,
  /** In which a fresh socket must name its token. */
  initMs: 3_000,
  pingMs: 12_000,
  messageBytes: 64 * 1024,
  /** What may wait in memory for one socket before it counts as one that doesn't read. */
  waitingBytes: 4 * 1024 * 1024,
  operationIdCharacters: 128,
  subscriptionsPerSocket: 100,
  socketsPerToken: 20,
  /** Live ones of all carriers; so much fewer of one token that it alone can't take every place. */
  subscriptionsPerToken: 400,
  subscriptionsPerProcess: 2_000,
  /** Failed tokens of one address before it has to wait, and for how long they count. */
  guesses: 10,
  guessWindowMs: 60_000,
} as const satisfies Record<string, number>;

export type EdgeLimits = { readonly [name in keyof typeof edgeLimits]: number };
