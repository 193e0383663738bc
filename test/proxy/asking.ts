// Asks a proxy as visitors do: by HTTP/1.1 with whatever headers and Host, by raw bytes, and by TLS with a name.
import { type IncomingHttpHeaders, type RequestOptions, request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { connect } from 'node:net';
import { TLSSocket } from 'node:tls';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Of the leaf certificate, by HTTPS. */
  readonly fingerprint: string | undefined;
  /** The same, lower-case hexadecimal. */
  readonly serial: string | undefined;
}

export interface Question extends Omit<RequestOptions, 'host'> {
  readonly body?: string | Buffer;
  /** By HTTPS with this name. */
  readonly secure?: boolean;
  /** By HTTPS only with a certificate that this root vouches for; without it, with any. */
  readonly ca?: string;
}

export function ask(address: string, host: string, question: Question = {}): Promise<Answer> {
  const { body, secure, headers, ...options } = question;
  return new Promise((resolve, reject) => {
    const all = {
      agent: false as const,
      ...options,
      host: address,
      port: options.port ?? (secure ? 8443 : 8080),
      headers: { host, ...headers },
      ...(secure ? { servername: host, rejectUnauthorized: options.ca !== undefined } : {}),
    };
    const asking = (secure ? secureRequest : request)(all, (response) => {
      const { socket } = response;
      const leaf = socket instanceof TLSSocket ? socket.getPeerCertificate() : undefined;
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
          fingerprint: leaf?.fingerprint256,
          serial: leaf?.serialNumber?.toLowerCase(),
        }),
      );
    });
    asking.on('error', reject);
    asking.end(body);
  });
}

/** Sends these one after the other, with pauses, and answers with all that came until the other side closed or was silent. */
export function inBits(
  address: string,
  port: number,
  bits: readonly string[],
  pauseMs = 30,
): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, noDelay: true });
    let heard = '';
    let at = 0;
    const sending = setInterval(() => {
      const bit = bits[at++];
      if (bit === undefined || socket.destroyed) clearInterval(sending);
      else socket.write(bit);
    }, pauseMs);
    socket.setTimeout(1500 + pauseMs, () => socket.destroy());
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(heard));
  });
}

/** Sends these bytes and answers with all that came until the other side closed, or was silent for so long. */
export function raw(address: string, port: number, bytes: string | Buffer, quietMs = 1500): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port });
    let heard = '';
    socket.setTimeout(quietMs, () => socket.destroy());
    socket.on('connect', () => socket.write(bytes));
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1');
    });
    socket.on('error', (fault) => (heard === '' ? reject(fault) : resolve(heard)));
    socket.on('close', () => resolve(heard));
  });
}
