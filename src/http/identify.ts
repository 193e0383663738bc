// From a token in a request to a caller. Tokens that were valid here before are let through to the check even while
// their address has to wait for its failures: a neighbour behind the same address, with a token that was revoked, must
// not lock everybody out.
import type { IncomingMessage } from 'node:http';
import type { Control } from '../control/control.ts';
import { authenticate, hashToken } from '../control/tokens.ts';
import type { Caller } from '../model/callers.ts';
import type { Guesses } from './guesses.ts';

export type Identity =
  | { readonly kind: 'NONE' }
  | { readonly kind: 'CALLER'; readonly caller: Caller }
  | { readonly kind: 'INVALID' }
  | { readonly kind: 'WAIT'; readonly seconds: number };

export type Identify = (token: string | undefined, address: string) => Promise<Identity>;

const mostKnown = 1_000;

export function makeIdentify(control: Control, guesses: Guesses): Identify {
  const known = new Set<string>();
  return async (token, address) => {
    if (token === undefined) return { kind: 'NONE' };
    const hash = hashToken(token);
    const seconds = known.has(hash) ? undefined : guesses.wait(address);
    if (seconds !== undefined) return { kind: 'WAIT', seconds };
    const caller = await authenticate(control, token, address);
    known.delete(hash);
    if (caller === undefined) {
      guesses.failed(address);
      return { kind: 'INVALID' };
    }
    known.add(hash);
    const oldest = known.size > mostKnown ? known.values().next().value : undefined;
    if (oldest !== undefined) known.delete(oldest);
    return { kind: 'CALLER', caller };
  };
}

/** Undefined without the header, or while nothing follows its `Bearer`; another kind of it is a token that no one has. */
export function bearerToken(authorization: string | undefined): string | undefined {
  if (authorization === undefined || /^(Bearer)? *$/i.test(authorization)) return undefined;
  return /^Bearer +([^\s]{1,200}) *$/i.exec(authorization)?.[1] ?? '';
}

/** git sends the token as the password of Basic; the user's name doesn't matter. */
export function basicPassword(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return undefined;
  const encoded = /^Basic +([A-Za-z0-9+/=]{1,1000}) *$/i.exec(authorization)?.[1] ?? '';
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  return text.slice(text.indexOf(':') + 1);
}

export function addressOf(request: IncomingMessage): string {
  return request.socket.remoteAddress ?? '';
}
