// Who gets a socket: whoever names a valid token in connection_init, within the number of sockets that a token may have,
// and for as long as the token is valid.
import type { Context as Connection, SubscribePayload } from 'graphql-ws';
import type { TokenWatch } from '../control/token-watch.ts';
import type { Mask } from '../graphql/masking.ts';
import type { Caller } from '../model/callers.ts';
import { bearerToken, type Identify } from './identify.ts';
import type { EdgeLimits } from './limits.ts';
import type { Ending } from './subscriptions.ts';
import { closeCodes, type Transport } from './transport.ts';

/** What is known of one socket. */
export interface Admitted extends Record<PropertyKey, unknown> {
  readonly transport: Transport;
  readonly address: string;
  /** Of all that the socket has under way; queries, too, are given up when it closes. */
  readonly operations: Map<SubscribePayload, AbortController>;
  caller: Caller | undefined;
  release: (() => void) | undefined;
  gone: boolean;
}

/** The payload of connection_init. */
export type Params = { readonly Authorization?: unknown; readonly authorization?: unknown };

export interface AdmissionOptions {
  readonly identify: Identify;
  readonly tokens: TokenWatch;
  readonly mask: Mask;
  readonly limits: EdgeLimits;
}

export function makeAdmission({ identify, tokens, limits, mask }: AdmissionOptions) {
  const socketsOfToken = new Map<string, number>();
  return async ({ connectionParams, extra }: Connection<Params, Admitted>): Promise<boolean> => {
    const { transport } = extra;
    const given = connectionParams?.Authorization ?? connectionParams?.authorization;
    const token = bearerToken(typeof given === 'string' ? given : undefined);
    const identity = await identify(token, extra.address).catch(mask);
    if (extra.gone) return false;
    if (!('kind' in identity) || identity.kind !== 'CALLER') {
      const [code, reason] = 'kind' in identity ? refusedEntry[identity.kind] : refusedEntry.FAULT;
      transport.close(code, reason);
      return false;
    }
    const { tokenId } = identity.caller;
    const sockets = socketsOfToken.get(tokenId) ?? 0;
    if (sockets >= limits.socketsPerToken) {
      transport.close(closeCodes.tryAgainLater, `This token has ${sockets} sockets, as many as it may have`);
      return false;
    }
    socketsOfToken.set(tokenId, sockets + 1);
    const stopWatching = tokens.watch(tokenId, () => {
      endOperations(extra, 'TOKEN_INVALID');
      transport.close(closeCodes.unauthorized, 'The token was revoked or has expired');
    });
    extra.caller = identity.caller;
    extra.release = () => {
      stopWatching();
      const left = (socketsOfToken.get(tokenId) ?? 1) - 1;
      if (left > 0) socketsOfToken.set(tokenId, left);
      else socketsOfToken.delete(tokenId);
    };
    return true;
  };
}

const refusedEntry = {
  NONE: [
    closeCodes.unauthorized,
    'A token is needed: send { Authorization: "Bearer ..." } in connection_init',
  ],
  INVALID: [closeCodes.unauthorized, 'The token is unknown, was revoked or has expired'],
  WAIT: [closeCodes.tryAgainLater, 'Too many wrong tokens came from this address'],
  FAULT: [closeCodes.tryAgainLater, 'Something failed on our side'],
} as const;

export function endOperations({ operations }: Admitted, ending: Ending): void {
  for (const operation of operations.values()) operation.abort(ending);
  operations.clear();
}
