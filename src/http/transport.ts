// One WebSocket as graphql-ws wants to see it, guarded: each send has a deadline, what waits to be sent has a bound, and a
// peer that shows no sign of life is let go. What is said over it is websocket.ts's business.
import type { WebSocket } from 'ws';
import type { EdgeLimits } from './limits.ts';

/** Codes of the protocol (4400 …) and of WebSocket itself (1013 …). graphql-ws clients don't come back after 4400 and
 * 4401; after 1001 and 1013 they do. */
export const closeCodes = {
  goingAway: 1001,
  tryAgainLater: 1013,
  badRequest: 4400,
  unauthorized: 4401,
} as const;

export interface Transport {
  /** Resolves once the kernel has taken it, or when there is nobody to send to any more. */
  send(text: string): Promise<void>;
  /** Announced, and done by force when the peer doesn't answer to it. */
  close(code: number, reason: string): void;
}

export function guard(socket: WebSocket, limits: EdgeLimits): Transport {
  function close(code: number, reason: string): void {
    if (socket.readyState === socket.CLOSED) return;
    socket.close(code, reason);
    const timer = setTimeout(() => socket.terminate(), limits.closeMs);
    socket.once('close', () => clearTimeout(timer));
  }
  const tooSlow = () => close(closeCodes.tryAgainLater, 'slow consumer');
  // Answers to what a peer sends wait for a peer that doesn't read; it must not be able to make us keep them all.
  const checkWaiting = () => {
    if (socket.bufferedAmount > limits.waitingBytes) tooSlow();
  };
  socket.on('message', checkWaiting);
  socket.on('ping', checkWaiting);
  watchLife(socket, limits.pingMs);
  return {
    close,
    send: (text) =>
      new Promise((resolve) => {
        if (socket.readyState !== socket.OPEN) return resolve();
        const timer = setTimeout(tooSlow, limits.sendMs);
        socket.send(text, () => {
          clearTimeout(timer);
          resolve();
        });
      }),
  };
}

/** Anything received since the last ping is a sign of life. */
function watchLife(socket: WebSocket, pingMs: number): void {
  let heard = true;
  const hear = () => {
    heard = true;
  };
  socket.on('pong', hear).on('message', hear);
  const pinging = setInterval(() => {
    if (!heard) return socket.terminate();
    heard = false;
    socket.ping();
  }, pingMs);
  socket.once('close', () => clearInterval(pinging));
}
