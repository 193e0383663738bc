// Stands between Berth and its Postgres and cuts one connection exactly where it is told to: at a certain answer of the
// server's, in one piece with it, right after it or instead of it.
import { connect, createServer, type Socket } from 'node:net';
import postgres from 'postgres';

export const cutKinds = ['WITH_LAST_WORDS', 'HUNG_UP', 'RESET', 'UNANSWERED', 'UNHEARD'] as const;
export type CutKind = (typeof cutKinds)[number];

export interface CuttingServer {
  readonly url: string;
  /** The connection that is the first to come to its `answer`th answer from now on is cut there. Once. */
  cutAt(answer: number, kind: CutKind): void;
  /** Cuts no more; answers with whether the last cut that was asked for was made. */
  wasCut(): boolean;
  close(): Promise<void>;
}

const readyForQuery = 'Z'.charCodeAt(0);

export async function openCuttingServer(url: string): Promise<CuttingServer> {
  const { path, host, port, user, database } = postgres(url).options;
  const sockets = new Set<Socket>();
  let wanted: { readonly answer: number; readonly kind: CutKind } | undefined;
  const server = createServer((client) => {
    const upstream = path ? connect(path) : connect(port[0] ?? 5432, host[0]);
    for (const socket of [client, upstream]) {
      sockets.add(socket.setNoDelay(true));
      socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    }
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
    let [counted, since] = [0, wanted];
    relay(client, upstream, (moment) => {
      if (since !== wanted) [counted, since] = [0, wanted];
      if (moment === 'ANSWERED') counted += 1;
      if (wanted === undefined || (moment === 'ASKED') !== (wanted.kind === 'UNHEARD')) return undefined;
      if (counted + (moment === 'ASKED' ? 1 : 0) !== wanted.answer) return undefined;
      const { kind } = wanted;
      wanted = undefined;
      return kind;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const at = typeof address === 'object' ? (address?.port ?? 0) : 0;
  return {
    url: `postgres://${user}@127.0.0.1:${at}/${database}`,
    cutAt: (answer, kind) => {
      wanted = { answer, kind };
    },
    wasCut: () => {
      const isMade = wanted === undefined;
      wanted = undefined;
      return isMade;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** `cutNow` answers how to cut, if this is where. */
function relay(
  client: Socket,
  upstream: Socket,
  cutNow: (moment: 'ASKED' | 'ANSWERED') => CutKind | undefined,
): void {
  let kept: Buffer = Buffer.alloc(0);
  client.on('data', (chunk) => {
    if (cutNow('ASKED') === undefined) upstream.write(chunk);
    else client.destroy();
  });
  upstream.on('data', (chunk) => {
    kept = Buffer.concat([kept, chunk]);
    let at = 0;
    while (kept.length - at >= 5) {
      const end = at + 1 + kept.readUInt32BE(at + 1);
      if (end > kept.length) break;
      const isAnswer = kept[at] === readyForQuery;
      at = end;
      if (!isAnswer) continue;
      const kind = cutNow('ANSWERED');
      if (kind !== undefined) return cut(client, kept.subarray(0, at), kind);
    }
    client.write(kept.subarray(0, at));
    kept = kept.subarray(at);
  });
}

function cut(client: Socket, answer: Buffer, kind: CutKind): void {
  if (kind === 'WITH_LAST_WORDS') client.end(Buffer.concat([answer, lastWords]));
  else if (kind === 'HUNG_UP') client.end(answer);
  else if (kind === 'RESET') client.write(answer, () => client.resetAndDestroy());
  else client.destroy();
}

const fields = ['SFATAL', 'VFATAL', 'C57P01', 'Mterminating connection due to administrator command', ''];
const body = Buffer.from(`${fields.join('\0')}\0`);
const head = Buffer.alloc(5);
head.write('E');
head.writeUInt32BE(body.length + 4, 1);
/** Of a server that ends a session. */
export const lastWords = Buffer.concat([head, body]);
