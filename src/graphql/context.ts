// What a resolver gets: the control room, who calls, and loaders that batch. A subscription's context lives long, so its
// loaders are made anew for every event: nothing shown is older than the event that shows it.
import type { Control } from '../control/control.ts';
import type { Caller } from '../model/callers.ts';
import { type Loaders, makeLoaders } from './loaders.ts';

export interface Context {
  readonly control: Control;
  /** Undefined without a valid token: then only introspection is answered. */
  readonly caller: Caller | undefined;
  /** Fires when the operation's connection ends or its token is revoked. */
  readonly signal: AbortSignal;
  /** SSE: the cursor to resume after, from Last-Event-ID, where the operation gives no `after`. */
  readonly lastEventId: string | undefined;
  /** The cursor of the stream item that is being answered; transports that can, send it along. */
  cursor: string | undefined;
  loaders: Loaders;
}

export interface ContextOptions {
  readonly caller: Caller | undefined;
  readonly signal: AbortSignal;
  readonly lastEventId?: string | undefined;
}

export function createContext(control: Control, options: ContextOptions): Context {
  const { caller, signal, lastEventId } = options;
  return { control, caller, signal, lastEventId, cursor: undefined, loaders: makeLoaders(control, caller) };
}

/** After a change, or for the next event of a stream. */
export function renewLoaders(context: Context): void {
  context.loaders = makeLoaders(context.control, context.caller);
}
