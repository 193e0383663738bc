// One look from outside at whether a server takes clients: a TCP connection, or the server's own handshake on top of it.
import { connect } from 'node:net';
import type { Handshake } from '../model/service-types/engine-kind.ts';

export interface ProbeTarget {
  readonly port: number;
  /** Without one, an accepted connection is enough. */
  readonly handshake: Handshake | undefined;
}

export interface ProbeResult {
  readonly healthy: boolean;
  /** One sentence on what was seen. */
  readonly output: string;
}

export function probe(address: string, target: ProbeTarget, timeoutMs: number): Promise<ProbeResult> {
  const { port, handshake } = target;
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const timer = setTimeout(
      () => answer(false, `Port ${port} did not answer within ${timeoutMs} ms.`),
      timeoutMs,
    );
    let received = Buffer.alloc(0);
    function answer(healthy: boolean, output: string): void {
      clearTimeout(timer);
      socket.destroy();
      resolve({ healthy, output });
    }
    socket.on('connect', () => {
      if (handshake === undefined) return answer(true, `Port ${port} accepts connections.`);
      if (handshake.request !== undefined) socket.write(handshake.request);
    });
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (handshake?.accepts(received)) answer(true, `The server on port ${port} answers its handshake.`);
      else if (received.length > 4_096)
        answer(false, `The server on port ${port} answers with something else.`);
    });
    socket.on('end', () =>
      answer(false, `The server on port ${port} is not ready yet: it closed the connection.`),
    );
    socket.on('error', (error: NodeJS.ErrnoException) =>
      answer(false, `Nothing takes connections on port ${port} (${error.code ?? error.message}).`),
    );
  });
}
