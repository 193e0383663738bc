// The frame of every mutation: one input, a payload with its cursor, and a union of the payload and the typed errors. A
// noun's file gives the name, the input, what the payload holds and the control call.
import type { InputRef, ObjectRef } from '@pothos/core';
import { GraphQLError } from 'graphql';
import type { Control, Mutated } from '../control/control.ts';
import { writeCursor } from '../control/cursors.ts';
import type { Caller } from '../model/callers.ts';
import { builder } from './builder.ts';
import { type Context, renewLoaders } from './context.ts';
import { mutationErrors } from './errors.ts';

/** What a payload's fields are resolved from. */
export interface Payload {
  readonly ids: Readonly<Record<string, string>>;
  readonly cursor: string;
}

type Types = typeof builder.$inferSchemaTypes;

export interface MutationOptions<Input> {
  readonly name: string;
  readonly description: string;
  readonly input: InputRef<Input>;
  readonly payload: ObjectRef<Types, Payload>;
  readonly run: (control: Control, caller: Caller, input: Input) => Promise<Mutated<Record<string, string>>>;
}

export function mutation<Input>(options: MutationOptions<Input>): void {
  const { name, description, input, payload } = options;
  builder.objectField(payload, 'cursor', (t) =>
    t.field({
      type: 'Cursor',
      description:
        "Where the effect stands in the environment's event log: wait until your stream has passed it.",
      resolve: ({ cursor }) => cursor,
    }),
  );
  builder.mutationField(name, (t) =>
    t.field({
      type: payload,
      description,
      authScopes: { signedIn: true },
      errors: {
        types: mutationErrors,
        directResult: true,
        union: {
          name: `${name.charAt(0).toUpperCase()}${name.slice(1)}Result`,
          description: `The payload of ${name}, or why it was refused.`,
        },
      },
      args: { input: t.arg({ type: input, required: true, description: 'Everything it needs.' }) },
      resolve: async (_root, args, context) => {
        const given = (args as unknown as { readonly input: Input }).input;
        const { ids, position } = await options.run(context.control, callerOf(context), given);
        renewLoaders(context);
        return { ids, cursor: writeCursor(position) };
      },
    }),
  );
}

export function callerOf(context: Context): Caller {
  if (context.caller !== undefined) return context.caller;
  throw new GraphQLError('A token is needed.', { extensions: { code: 'UNAUTHENTICATED' } });
}
