// The certificates that a TLS server shows for given names: how long until the first of them ends, intermediates included,
// and whether each is for its name.
import { once } from 'node:events';
import { isIP } from 'node:net';
import { checkServerIdentity, type DetailedPeerCertificate, connect as secure } from 'node:tls';
import { z } from 'zod';
import type { CheckTarget } from '../model/monitoring/agent.ts';
import type { Observation } from '../model/monitoring/observations.ts';
import type { CheckType } from './check-type.ts';
import { openSocket, reasonOf } from './connection.ts';
import { authorities } from './settings.ts';

const schema = z.strictObject({
  /** Asked for one after the other, each on a connection of its own; none: the target's own, whose name isn't compared. */
  serverNames: z
    .array(
      z
        .string()
        .max(253)
        .regex(/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/, 'must be a host name.'),
    )
    .max(50)
    .default([]),
  authorities,
});

type Settings = Readonly<z.infer<typeof schema>>;

export const certificate: CheckType<Settings> = {
  type: 'CERTIFICATE',
  title: 'Certificate',
  description: 'How many days the certificates of a TLS server last, and whether they are for their names.',
  thresholds: [{ metric: 'days_left', bad: 'BELOW', warning: 30, critical: 14 }],
  standard: { intervalSeconds: 3_600, timeoutSeconds: 15 },
  schema,
  settings: schema.parse({}),
  look,
};

interface Shown {
  readonly name: string;
  /** Of the certificate or an intermediate, whichever is first; undefined when none was shown. */
  readonly endsAt: number | undefined;
  readonly fault: string | undefined;
}

async function look(target: CheckTarget, settings: Settings, signal: AbortSignal): Promise<Observation> {
  const shown: Shown[] = [];
  const names = settings.serverNames.length > 0 ? settings.serverNames : [undefined];
  for (const name of names) shown.push(await lookAt(target, name, settings.authorities, signal));
  const faults = shown.flatMap(({ fault }) => fault ?? []);
  const dated = shown.flatMap(({ name, endsAt }) => (endsAt === undefined ? [] : [{ name, endsAt }]));
  const first = dated.sort((a, b) => a.endsAt - b.endsAt)[0];
  if (first === undefined) return { state: 'CRITICAL', output: faults.join(' '), metrics: [] };
  const days = (first.endsAt - Date.now()) / 86_400_000;
  const on = new Date(first.endsAt).toISOString().slice(0, 10);
  const ends = days > 0 ? `ends in ${Math.floor(days)} days, on ${on}` : `has ended on ${on}`;
  return {
    state: faults.length > 0 || days <= 0 ? 'CRITICAL' : 'OK',
    output: [`The certificate of ${first.name} ${ends}.`, ...faults].join(' '),
    metrics: [{ name: 'days_left', value: Math.round(days * 100) / 100, unit: '' }],
  };
}

async function lookAt(
  target: CheckTarget,
  serverName: string | undefined,
  ca: string,
  signal: AbortSignal,
): Promise<Shown> {
  const name = serverName ?? target.host;
  try {
    const socket = await openSocket(target, signal);
    try {
      const servername = isIP(name) === 0 ? name : '';
      const trust = ca === '' ? {} : { ca };
      const opened = secure({ socket, servername, rejectUnauthorized: false, ...trust });
      opened.on('error', () => {});
      await once(opened, 'secureConnect', { signal });
      const peer = opened.getPeerCertificate(true);
      const untrusted = ca === '' || opened.authorized ? undefined : opened.authorizationError;
      const other = serverName === undefined ? undefined : checkServerIdentity(serverName, peer);
      const fault = untrusted
        ? `The certificate of ${name} is not trusted: ${untrusted}.`
        : other && `The certificate shown for ${name} is not for it.`;
      opened.destroy();
      return { name, endsAt: endOf(peer), fault };
    } finally {
      socket.destroy();
    }
  } catch (error) {
    const fault = `TLS with ${name} at ${target.host}:${target.port}: ${reasonOf(error, target)}.`;
    return { name, endsAt: undefined, fault };
  }
}

/** A root is left out: clients have their own of it. The chain of a root ends in itself. */
function endOf(peer: DetailedPeerCertificate): number {
  const ends = [Date.parse(peer.valid_to)];
  for (
    let at = peer.issuerCertificate;
    at !== undefined && at.issuerCertificate?.fingerprint256 !== at.fingerprint256;
    at = at.issuerCertificate
  )
    ends.push(Date.parse(at.valid_to));
  return Math.min(...ends);
}
