// The stream between the driver and the server. The driver waits for ever in a silent network and keeps the words by which a
// server ended one session for the first query of the next; so what it gets is no bare socket but a stream that ends itself
// when an owed answer stays away, and that ends with the server's last words instead of delivering them. TLS is made here,
// beneath, for what is followed has to be plain. It knows nothing of queries.
import { connect as connectSocket, isIP, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import postgres from 'postgres';
import { followConversation, type LastWords } from './conversation.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
  /** Of a Unix socket, instead of the two. */
  readonly path: string | undefined;
  /** As the driver has read it from the URL: false, or how far the server's certificate is checked. */
  readonly tls: unknown;
}

/** A stream that is being connected; it ends when an answer is owed and nothing has come for `answerWithinMs`. */
export function openWire(address: Address, answerWithinMs: number): Duplex {
  const conversation = followConversation();
  const raw =
    address.path === undefined ? connectSocket(address.port, address.host) : connectSocket(address.path);
  raw.setNoDelay(true).setKeepAlive(true, 10_000);
  let socket: Socket | undefined;
  let onSecure = () => {};
  let late: NodeJS.Timeout | undefined;
  let isOver = false;

  function expect(): void {
    if (conversation.isOwed() && late !== undefined) {
      late.refresh();
      return;
    }
    clearTimeout(late);
    late = conversation.isOwed() ? setTimeout(giveUp, answerWithinMs) : undefined;
  }
  function giveUp(): void {
    finish(failure('ETIMEDOUT', `the database has answered nothing for ${answerWithinMs} ms`));
  }
  // In a turn of its own. What is told in one turn the driver takes in at once, and what follows from it, such as the next
  // step of a login or of a transaction, only after: it would find itself without a connection, which nothing catches.
  function finish(error: Error | undefined): void {
    if (isOver) return;
    isOver = true;
    setImmediate(() => wire.destroy(error));
  }
  function write(chunk: Buffer, callback: () => void): void {
    if (isOver) {
      callback();
      return;
    }
    if (socket === undefined) {
      onSecure = () => write(chunk, callback);
      return;
    }
    const wasOwed = conversation.isOwed();
    const sent = conversation.send(chunk);
    if (!wasOwed) expect();
    if (socket.write(sent)) callback();
    else socket.once('drain', callback);
  }
  function receive(chunk: Buffer): void {
    if (isOver) return;
    const { seen, lastWords } = conversation.receive(chunk);
    expect();
    if (seen.length > 0 && !wire.push(seen)) socket?.pause();
    if (lastWords !== undefined) finish(refusalOf(lastWords));
  }
  function end(error?: Error): void {
    const isWanted = wire.writableEnded && error === undefined;
    finish(isWanted ? undefined : (error ?? failure('CONNECTION_CLOSED', 'the database has hung up')));
  }

  const wire = new Duplex({
    read: () => void socket?.resume(),
    write: (chunk: Buffer, _encoding, callback) => write(chunk, callback),
    final: (callback) => {
      raw.end();
      callback();
    },
    destroy: (error, callback) => {
      isOver = true;
      clearTimeout(late);
      raw.destroy();
      callback(error);
    },
  });
  // Asked for by the driver before it says good-bye.
  Object.defineProperty(wire, 'readyState', { get: () => (wire.destroyed ? 'closed' : 'open') });
  raw.on('error', end).on('close', () => end());
  function begin(secured: Socket): void {
    socket = secured;
    if (secured !== raw) secured.on('error', end).on('close', () => end());
    secured.on('data', receive);
    onSecure();
  }
  if (address.tls === false) begin(raw);
  else secure(raw, address, begin);
  return wire;
}

const askForTls = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);
const yes = 'S'.charCodeAt(0);

function secure(raw: Socket, { tls, host }: Address, begin: (socket: Socket) => void): void {
  raw.write(askForTls);
  raw.once('data', (answer) => {
    if (answer[0] !== yes && tls === 'prefer') return begin(raw);
    if (answer[0] !== yes) return raw.destroy(failure('ECONNREFUSED', 'the database offers no TLS'));
    const isChecked = tls !== 'require' && tls !== 'allow' && tls !== 'prefer';
    const name = isIP(host) === 0 ? { servername: host } : {};
    return begin(connectTls({ socket: raw, rejectUnauthorized: isChecked, ...name }));
  });
}

function failure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** As the driver tells of every other error of the server. */
function refusalOf(words: LastWords): Error {
  const refusal: unknown = Reflect.construct(postgres.PostgresError, [words]);
  return refusal instanceof Error ? refusal : new Error(words.message);
}
