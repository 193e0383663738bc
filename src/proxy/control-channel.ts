// One conversation with the control port: connect, prove who we are, see who answers, say one text, hear until the other
// side closes. All of it within the deadline, whatever the other side does.
import { connect, type SecureContext } from 'node:tls';

export interface ControlTarget {
  readonly address: string;
  readonly port: number;
  readonly serverName: string;
  readonly secureContext: SecureContext;
  readonly deadlineMs: number;
}

const longestAnswer = 16 * 1024 * 1024;

export function converse(target: ControlTarget, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: target.address,
      port: target.port,
      servername: target.serverName,
      secureContext: target.secureContext,
      rejectUnauthorized: true,
    });
    const heard: Buffer[] = [];
    let bytes = 0;
    const late = setTimeout(
      () => socket.destroy(new Error(`no answer within ${target.deadlineMs} ms`)),
      target.deadlineMs,
    );
    socket.on('secureConnect', () => socket.write(text));
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      heard.push(chunk);
      if (bytes > longestAnswer) socket.destroy(new Error('the answer is too long'));
    });
    socket.on('end', () => resolve(Buffer.concat(heard).toString('utf8')));
    socket.on('error', reject);
    socket.on('close', () => {
      clearTimeout(late);
      reject(new Error('the connection was closed'));
    });
  });
}
