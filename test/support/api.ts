// The API in process: documents executed against the schema for any caller, over a database of their own. No server, no
// engine, no orchestrator: what is asked for stays QUEUED. Counts statements, and tells whether anything was changed.
import { type ExecutionResult, type GraphQLError, parse, subscribe, validate } from 'graphql';
import type { Control, ControlSettings } from '../../src/control/control.ts';
import { type Context, createContext } from '../../src/graphql/context.ts';
import { executeOperation } from '../../src/graphql/execute.ts';
import { buildSchema } from '../../src/graphql/schema.ts';
import type { Caller } from '../../src/model/callers.ts';
import { openStore } from '../../src/postgres/open.ts';
import { type ControlWorld, openControl } from './control.ts';

export interface Api {
  readonly world: ControlWorld;
  readonly control: Control;
  /** May do everything. */
  readonly admin: Caller;
  /** Statements sent so far; a test may empty it. */
  readonly statements: string[];
  run(source: string, variables?: object, caller?: Caller | undefined): Promise<Answer>;
  /** As by `run`, for the result of the one mutation in it. */
  mutate(source: string, variables?: object, caller?: Caller): Promise<MutationResult>;
  /** The first `count` answers of a subscription; an error at its start counts as one. */
  watch(source: string, variables: object, caller: Caller | undefined, count?: number): Promise<Answer[]>;
  /** Rows by table. */
  counts(): Promise<Record<string, number>>;
  /** Everything in the database as text. */
  dump(): Promise<string>;
  close(): Promise<void>;
}

export interface Answer {
  // biome-ignore lint/suspicious/noExplicitAny: what a document answers with is known to the test that wrote it.
  readonly data: any;
  readonly errors: readonly GraphQLError[];
}

export interface MutationResult {
  readonly __typename: string;
  readonly code?: string;
  readonly path?: readonly string[];
  readonly message?: string;
  readonly [field: string]: unknown;
}

export function globalId(type: string, id: string): string {
  return Buffer.from(`${type}:${id}`).toString('base64url');
}

/** The id within a global id. */
export function localIdOf(id: string): string {
  return Buffer.from(id, 'base64url').toString().split(':')[1] ?? '';
}

export async function openApi(settings: Partial<ControlSettings> = {}): Promise<Api> {
  const world = await openControl(settings);
  const statements: string[] = [];
  const store = openStore(world.control.store.url, {
    connections: 16,
    onQuery: (query) => statements.push(query),
  });
  const control: Control = { ...world.control, store };
  const admin = world.token.caller;
  const contextFor = (caller: Caller | undefined, signal: AbortSignal) =>
    createContext(control, { caller, signal });
  const run: Api['run'] = async (source, variables = {}, ...callers) =>
    runDocument(control, callers.length === 0 ? admin : callers[0], source, variables);
  return {
    ...{ world, control, admin, statements, run },
    mutate: async (source, variables, caller = admin) => {
      const { data, errors } = await run(source, variables, caller);
      if (errors[0] !== undefined) throw errors[0];
      return Object.values(data)[0] as MutationResult;
    },
    watch: (source, variables, caller, count = 1) =>
      watched(source, variables, (signal) => contextFor(caller, signal), count),
    counts: async () => {
      const rows = await Promise.all(
        (await tablesOf(control)).map(async (table) => {
          const [row] = await control.store
            .raw`select count(*)::int as rows from ${control.store.raw(table)}`;
          return [table, Number(row?.rows)] as const;
        }),
      );
      return Object.fromEntries(rows);
    },
    dump: async () => {
      const dumped = await Promise.all(
        (await tablesOf(control)).map(async (table) => {
          const raw = control.store.raw;
          return JSON.stringify([table, await raw`select row::text from ${raw(table)} as row`]);
        }),
      );
      return dumped.join('\n');
    },
    close: async () => {
      await store.close();
      await world.close();
    },
  };
}

async function tablesOf({ store }: Control): Promise<string[]> {
  const rows = await store.raw`
    select table_name from information_schema.tables where table_schema = 'public' order by 1`;
  return rows.map((row) => String(row.table_name));
}

/** One document, for a test that has a control room already. */
export async function runDocument(
  control: Control,
  caller: Caller | undefined,
  source: string,
  variableValues: object = {},
): Promise<Answer> {
  const contextValue = createContext(control, { caller, signal: new AbortController().signal });
  const schema = buildSchema();
  const document = parse(source);
  const invalid = validate(schema, document);
  if (invalid.length > 0) return { data: null, errors: invalid };
  const result = await executeOperation({
    schema,
    document,
    contextValue,
    variableValues: { ...variableValues },
  });
  return answerOf(result as ExecutionResult);
}

async function watched(
  source: string,
  variableValues: object,
  contextFor: (signal: AbortSignal) => Context,
  count: number,
): Promise<Answer[]> {
  const over = new AbortController();
  const document = parse(source);
  const contextValue = contextFor(over.signal);
  const schema = buildSchema();
  const stream = await subscribe({ schema, document, contextValue, variableValues: { ...variableValues } });
  if (!(Symbol.asyncIterator in stream)) return [answerOf(stream)];
  const answers: Answer[] = [];
  try {
    for await (const result of stream) {
      answers.push(answerOf(result as ExecutionResult));
      if (answers.length >= count) break;
    }
  } finally {
    over.abort();
  }
  return answers;
}

function answerOf(result: ExecutionResult): Answer {
  return { data: result.data ?? null, errors: result.errors ?? [] };
}
