// An ACME authority in this process that does what real ones do on their bad days. It knows just enough of the protocol to
// bring a client to the step at which it misbehaves; signatures are not looked at.
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { issue, makeAuthority } from '../../src/certificates/authority.ts';

type Step =
  | 'directory'
  | 'nonce'
  | 'account'
  | 'order'
  | 'state'
  | 'authorization'
  | 'challenge'
  | 'finalize'
  | 'certificate';

export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object as JSON, a text as it is. */
  readonly body?: unknown;
}

/** Either an answer or a free hand. */
export type Behaviour = Answer | ((response: ServerResponse) => void);

export interface BadAuthority {
  readonly directoryUrl: string;
  readonly trust: string;
  /** Steps asked for, in order. */
  readonly steps: Step[];
  readonly behaviours: Partial<Record<Step, Behaviour>>;
  url(step: Step): string;
  close(): void;
}

export async function openBadAuthority(): Promise<BadAuthority> {
  const now = new Date();
  const authority = await makeAuthority(now);
  const own = await issue(authority, {
    commonName: 'bad authority',
    ips: ['127.0.0.1'],
    usage: 'SERVER',
    now,
    days: 1,
  });
  const steps: Step[] = [];
  const behaviours: Partial<Record<Step, Behaviour>> = {};
  const server = createServer({ cert: own.chain, key: own.privateKey }, (request, response) => {
    const step = (request.url ?? '').slice(1) as Step;
    steps.push(step);
    request.resume();
    response.setHeader('Replay-Nonce', 'n');
    const behaviour = behaviours[step] ?? ordinary(step, url);
    if (typeof behaviour === 'function') behaviour(response);
    else send(response, behaviour);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const base = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const url = (step: Step): string => `${base}/${step}`;
  return {
    directoryUrl: url('directory'),
    trust: authority.certificate,
    steps,
    behaviours,
    url,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function ordinary(step: Step, url: (step: Step) => string): Answer {
  const order = { identifiers: [], authorizations: [url('authorization')], finalize: url('finalize') };
  const identifier = { type: 'dns', value: 'shop.test' };
  const answers: Record<Step, Answer> = {
    directory: {
      body: { newNonce: url('nonce'), newAccount: url('account'), newOrder: url('order') },
    },
    nonce: {},
    account: { status: 201, headers: { Location: url('account') }, body: { status: 'valid' } },
    order: { status: 201, headers: { Location: url('state') }, body: { ...order, status: 'ready' } },
    state: { body: { ...order, status: 'processing' } },
    authorization: { body: { identifier, status: 'valid', challenges: [] } },
    challenge: { body: {} },
    finalize: { body: { ...order, status: 'valid', certificate: url('certificate') } },
    certificate: { body: 'no certificate' },
  };
  return answers[step] ?? { status: 404 };
}

function send(response: ServerResponse, { status = 200, headers = {}, body = '' }: Answer): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const type = typeof body === 'string' ? 'text/plain' : 'application/json';
  response.writeHead(status, { 'Content-Type': type, ...headers }).end(text);
}
