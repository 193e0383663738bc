// What the jobs under load run: a web application as a careful team would write it. It answers at once, slowly, by a stream
// of events and over web sockets; asked to stop it takes no new connection, finishes its answers, says goodbye on what would
// never end by itself, and leaves. Runs alone in its container, so it has nothing but Node.
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

const port = Number(process.env.PORT ?? 8080);
const slowMs = 2_000;
const tickMs = 250;
const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** Each ends one stream in peace. */
const goodbyes = new Set<() => void>();

const server = createServer((request, response) => {
  // So that one that is to be stopped keeps nobody's connection.
  if (!server.listening) response.setHeader('connection', 'close');
  if (request.url === '/slow') setTimeout(() => answer(request, response), slowMs);
  else if (request.url === '/events') sendEvents(response);
  else answer(request, response);
});

function answer(request: IncomingMessage, response: ServerResponse): void {
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  request.on('end', () => response.end(`${request.method} ${bytes}\n`));
}

function sendEvents(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  const end = tick(
    (number) => response.write(`data: ${number}\n\n`),
    () => response.end('data: bye\n\n'),
  );
  response.once('close', end);
}

server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}${guid}`).digest('base64');
  const head = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];
  socket.write(`${[...head, `Sec-WebSocket-Accept: ${accept}`].join('\r\n')}\r\n\r\n`);
  const end = tick(
    (number) => socket.write(frame(0x81, Buffer.from(String(number)))),
    () => socket.end(frame(0x88, Buffer.from([0x03, 0xe9]))),
  );
  // Whatever a visitor sends but its goodbye is no matter here.
  socket.on('data', (chunk: Buffer) => chunk[0] === 0x88 && socket.end(frame(0x88, Buffer.alloc(0))));
  socket.on('error', end).once('close', end);
});

function frame(kind: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([kind, content.length]), content]);
}

/** Numbers from 0, until the stream is closed or the job is to stop. */
function tick(say: (number: number) => void, bye: () => void): () => void {
  let number = 0;
  say(number);
  const timer = setInterval(() => say(++number), tickMs);
  const end = (): void => {
    clearInterval(timer);
    goodbyes.delete(leave);
  };
  const leave = (): void => {
    end();
    bye();
  };
  goodbyes.add(leave);
  return end;
}

process.once('SIGTERM', () => {
  // As an application that knows nothing of being stopped.
  if (process.env.LEAVE === 'at-once') process.exit(0);
  server.close(() => process.exit(0));
  server.closeIdleConnections();
  for (const leave of goodbyes) leave();
});
server.listen(port, '0.0.0.0');
