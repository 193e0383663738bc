// The channel to a proxy's runtime API: TLS with the installation's client key, one connection for each batch, nothing kept
// open. Anything but the expected answer is a ProxyFault and means "unknown: look again". What to say is decided elsewhere.
import { createSecureContext } from 'node:tls';
import { certificateLimits } from '../model/certificates.ts';
import { converse } from './control-channel.ts';
import { certificatePath, paths } from './layout.ts';
import type { MapEntry, RuntimeCommand, ShownRotation } from './rotation.ts';
import { readMap, readServers, readSessions } from './shown.ts';
import { id, pem } from './words.ts';

export interface ControlAddress {
  readonly address: string;
  readonly port: number;
  /** The name in the certificate that the proxy shows. */
  readonly serverName: string;
  readonly authorityPem: string;
  /** Certificate and key of the control plane. */
  readonly clientCertificatePem: string;
  readonly clientKeyPem: string;
}

/** The proxy didn't give the expected answer. What was asked may or may not have happened. */
export class ProxyFault extends Error {
  readonly operation: string;
  constructor(operation: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'ProxyFault';
    this.operation = operation;
  }
}

export interface Applied {
  /** Servers that are in use and couldn't be removed yet, as `backend/job`. */
  readonly stillInUse: readonly string[];
}

export interface RuntimeApi {
  /** Servers of the backends that begin so, and these maps, all at one moment. */
  show(prefix: string, maps: readonly string[]): Promise<ShownRotation>;
  /** An environment's proxy: what `rotationCommands` compares with. */
  showRotation(): Promise<ShownRotation>;
  /** In order; nothing is taken away when something before it failed. */
  apply(commands: readonly RuntimeCommand[], beforeEach?: () => void): Promise<Applied>;
  /** Job → sessions under way; a job that no backend has isn't there. */
  sessions(prefix?: string): Promise<ReadonlyMap<string, number>>;
  /** Takes effect for new connections; none is cut. The file must be written too, or a restart brings the old one back. */
  setCertificate(certificateId: string, pem: string): Promise<void>;
}

export interface RuntimeApiOptions {
  /** For one batch, from the connection's first packet to the last answer. */
  readonly deadlineMs?: number;
}

const usualDeadlineMs = 2000;
const longestBatch = 8 * 1024;

export const rotationMaps = [
  paths.hosts,
  paths.wildcards,
  paths.origins,
  paths.maintenance,
  paths.challenges,
];

type Say = (lines: readonly string[]) => Promise<readonly string[]>;

export function openRuntimeApi(control: ControlAddress, options: RuntimeApiOptions = {}): RuntimeApi {
  const secureContext = createSecureContext({
    ca: control.authorityPem,
    cert: control.clientCertificatePem,
    key: control.clientKeyPem,
    minVersion: 'TLSv1.3',
  });
  const target = { ...control, secureContext, deadlineMs: options.deadlineMs ?? usualDeadlineMs };
  const say: Say = async (lines) => {
    const text = await faultOf(lines, () => converse(target, ['prompt', ...lines, 'quit', ''].join('\n')));
    return splitAnswers(lines, text);
  };
  const show: RuntimeApi['show'] = (prefix, maps) => showAll(say, prefix, maps);
  return {
    show,
    showRotation: () => show('site-', rotationMaps),
    apply: (commands, beforeEach = () => {}) => applyInOrder(say, commands, beforeEach),
    sessions: async (prefix = 'site-') => {
      const lines = ['show stat -1 4 -1'];
      const [text = ''] = await say(lines);
      return faultOf(lines, async () => readSessions(text, prefix));
    },
    setCertificate: (certificateId, text) => setCertificate(say, certificateId, text),
  };
}

async function showAll(say: Say, prefix: string, maps: readonly string[]): Promise<ShownRotation> {
  const lines = ['show servers state', ...maps.map((path) => `show map ${path}`)];
  const [servers = '', ...texts] = await say(lines);
  return faultOf(lines, async () => ({
    servers: readServers(servers, prefix),
    maps: new Map(
      maps
        .map((path, at) => [path, texts[at] ?? ''] as const)
        .filter(([, text]) => !unknownMap.test(text))
        .map(([path, text]) => [path, readMap(text)]),
    ),
  }));
}

/** One that nothing in the configuration asks. */
const unknownMap = /^Unknown map identifier\./;

/** What each kind of command answers when it has done its work. */
const success: Readonly<Record<'ADD' | 'SET' | 'REMOVE', RegExp>> = {
  ADD: /^New server registered\.$/,
  SET: /^$|^(IP changed|port changed|no need to change) [^\n]*$/,
  REMOVE: /^Server deleted\.$/,
};
const inUse = /^Server still has connections attached to it, cannot remove it\.$/;

async function applyInOrder(
  say: Say,
  commands: readonly RuntimeCommand[],
  beforeEach: () => void,
): Promise<Applied> {
  const stillInUse: string[] = [];
  for (const batch of batches(commands)) {
    beforeEach();
    if (batch[0]?.kind === 'REPLACE') {
      await replaceMap(say, batch[0].map, batch[0].entries);
      continue;
    }
    const texts = batch.flatMap((one) => (one.kind === 'REPLACE' ? [] : [one]));
    const answers = await say(texts.map((one) => one.text));
    for (const [at, { kind, text }] of texts.entries()) {
      const answer = answers[at] ?? '';
      if (kind === 'REMOVE' && inUse.test(answer)) stillInUse.push(text.slice('del server '.length));
      else if (!success[kind].test(answer)) throw unexpected(text, answer);
    }
  }
  return { stillInUse };
}

/**
 * As many as fit, in order. HAProxy goes on after a command that failed, so nothing that takes a server away stands in a
 * batch with what brings one. A replacement is a conversation of its own.
 */
function batches(commands: readonly RuntimeCommand[]): RuntimeCommand[][] {
  const all: RuntimeCommand[][] = [];
  let length = Number.POSITIVE_INFINITY;
  let before: RuntimeCommand | undefined;
  for (const command of commands) {
    const more = command.kind === 'REPLACE' ? longestBatch : command.text.length + 2;
    const turns = before !== undefined && takesAway(before) !== takesAway(command);
    if (turns || length + more > longestBatch) {
      all.push([]);
      length = 0;
    }
    all.at(-1)?.push(command);
    length += more;
    before = command;
  }
  return all;
}

function takesAway(command: RuntimeCommand): boolean {
  return command.kind === 'REMOVE' || (command.kind === 'SET' && / state (drain|maint)$/.test(command.text));
}

async function replaceMap(say: Say, map: string, entries: readonly MapEntry[]): Promise<void> {
  const prepare = `prepare map ${map}`;
  const [prepared = ''] = await say([prepare]);
  const version = /^New version created: (\d+)$/.exec(prepared)?.[1];
  if (version === undefined) throw unexpected(prepare, prepared);
  const adds = entries.map(
    ([key, value]): RuntimeCommand => ({ kind: 'SET', text: `add map @${version} ${map} ${key} ${value}` }),
  );
  await applyInOrder(say, [...adds, { kind: 'SET', text: `commit map @${version} ${map}` }], () => {});
}

async function setCertificate(say: Say, certificateId: string, text: string): Promise<void> {
  const path = certificatePath(id(certificateId));
  const payload = pem(text);
  if (payload.length > certificateLimits.renewableBytes) {
    throw new ProxyFault(
      'set ssl cert',
      `The certificate ${certificateId} is too long to be renewed at runtime.`,
    );
  }
  const set = `set ssl cert ${path}`;
  const [created = ''] = await say([`${set} <<\n${payload}`]);
  // Each line of a payload is prompted for with a plus.
  if (!/^(\+ )*Transaction (created|updated) for certificate /.test(created)) throw unexpected(set, created);
  const commit = `commit ssl cert ${path}`;
  const [committed = ''] = await say([commit]);
  if (!/Success!$/.test(committed)) {
    await say([`abort ssl cert ${path}`]);
    throw unexpected(commit, committed);
  }
}

/** With its prompt on, HAProxy ends each answer with it; without, some answers' ends can't be told. */
function splitAnswers(lines: readonly string[], text: string): string[] {
  const [first, ...answers] = text.split('\n> ');
  const last = answers.pop();
  if (first !== '' || last !== '' || answers.length !== lines.length) {
    throw new ProxyFault(
      operationOf(lines),
      `${answers.length} answers came to ${lines.length} commands: ${text.slice(0, 300)}`,
    );
  }
  return answers.map((answer) => answer.trimEnd());
}

async function faultOf<T>(lines: readonly string[], work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (fault) {
    const words = fault instanceof Error ? fault.message : String(fault);
    throw new ProxyFault(operationOf(lines), `The proxy gave no usable answer: ${words}`, fault);
  }
}

function unexpected(line: string, answer: string): ProxyFault {
  return new ProxyFault(
    operationOf([line]),
    `The proxy answered ${JSON.stringify(answer.slice(0, 300))} to: ${line.slice(0, 200)}`,
  );
}

/** The first command without what follows its first line: a payload holds a key. */
function operationOf(lines: readonly string[]): string {
  return (lines[0] ?? '').split('\n')[0] ?? '';
}
