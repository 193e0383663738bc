// Stands between Berth and its Postgres and fails on command. What was open when silence fell stays silent for ever, as
// behind a firewall that has forgotten it; what is opened in silence, too. Speaks TLS when asked to, without a certificate.
import { connect, createServer, type Socket } from 'node:net';
import tls from 'node:tls';
import postgres from 'postgres';

export interface FaultyDatabase {
  readonly url: string;
  /** Both ways, without a word to either side. */
  silence(): void;
  /** For connections to come. */
  heal(): void;
  /** Cuts what is open, here and now. */
  cut(): void;
  /** How many connections were opened so far. */
  opened(): number;
  close(): Promise<void>;
}

const askForTls = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/** `hear`: asked for each connection, gets what is sent to the server on it. */
export async function openFaultyDatabase(
  url: string,
  options: { tls?: boolean; hear?: () => (chunk: Buffer) => void } = {},
): Promise<FaultyDatabase> {
  const { path, host, port } = postgres(url).options;
  const pairs = new Set<{ readonly client: Socket; readonly upstream: Socket; silent: boolean }>();
  let silent = false;
  let opened = 0;
  const server = createServer((client) => {
    opened += 1;
    const upstream = path ? connect(path) : connect(port[0] ?? 5432, host[0]);
    const pair = { client, upstream, silent };
    pairs.add(pair);
    for (const socket of [client, upstream]) {
      socket.on('error', () => {});
      socket.on('close', () => {
        pairs.delete(pair);
        client.destroy();
        upstream.destroy();
      });
    }
    const heard = options.hear?.();
    const join = (plain: Socket) => {
      plain.on('error', () => {});
      if (heard !== undefined) plain.on('data', heard);
      plain.on('data', (chunk) => pair.silent || upstream.write(chunk));
      upstream.on('data', (chunk) => pair.silent || plain.write(chunk));
    };
    if (options.tls !== true) return join(client);
    client.once('data', (chunk) => {
      if (pair.silent || !chunk.equals(askForTls)) return;
      client.write('S');
      join(new tls.TLSSocket(client, { isServer: true, secureContext: tls.createSecureContext(anonymous) }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const at = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const { user, database } = postgres(url).options;
  const cut = () => {
    for (const { client } of pairs) client.destroy();
  };
  return {
    url: `postgres://${user}@127.0.0.1:${at}/${database}${options.tls === true ? '?sslmode=require' : ''}`,
    silence: () => {
      silent = true;
      for (const pair of pairs) pair.silent = true;
    },
    heal: () => {
      silent = false;
    },
    cut,
    opened: () => opened,
    close: async () => {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const anonymous = { ciphers: 'AECDH-AES256-SHA:@SECLEVEL=0', maxVersion: 'TLSv1.2' } as const;

/** Lets this process's clients speak to a server without a certificate, until the answer is called. */
export function allowAnonymousTls(): () => void {
  const { DEFAULT_CIPHERS: ciphers, DEFAULT_MAX_VERSION: version } = tls;
  tls.DEFAULT_CIPHERS = anonymous.ciphers;
  tls.DEFAULT_MAX_VERSION = anonymous.maxVersion;
  return () => {
    tls.DEFAULT_CIPHERS = ciphers;
    tls.DEFAULT_MAX_VERSION = version;
  };
}
