// Whose a host name is: of one environment in the whole installation, whatever it is wanted for.
import { getPublicSuffix } from 'tldts';
import { Conflict, InvalidInput } from '../errors.ts';
import { hostsAbove } from '../model/sites.ts';
import type { Change } from '../postgres/change.ts';
import type { EnvironmentRow } from '../postgres/environments.ts';
import { findRivalSite, holdHosts } from '../postgres/sites.ts';
import type { Control } from './control.ts';

/** Until the change has ended no other environment takes one of them; `pathOf` names the input that a host came by. */
export async function refuseRivals(
  { tx }: Pick<Change, 'tx'>,
  environmentId: string,
  hosts: readonly string[],
  pathOf: (index: number) => readonly string[],
): Promise<void> {
  await holdHosts(tx);
  const rival = await findRivalSite(tx, environmentId, hosts);
  if (rival === undefined) return;
  const index = hosts.findIndex((host) => hostsAbove(host).includes(rival.host));
  const how =
    hosts[index] === rival.host ? 'a site of this host name' : 'a site that covers it or lies below it';
  throw new Conflict(
    `Another environment has ${how}. One host name leads to one environment.`,
    pathOf(Math.max(0, index)),
  );
}

/** Host names below the platform's domain belong to the environments of that namespace, those that cover it to nobody. */
export function refuseForeignHost(
  { settings }: Control,
  { namespace }: EnvironmentRow,
  host: string,
  path: readonly string[],
): void {
  const own = `${namespace}.${settings.domain}`;
  const isAbove = host.startsWith('.') && `.${settings.domain}`.endsWith(host);
  if (!isAbove && !isAtOrBelow(host, settings.domain)) return;
  if (isAtOrBelow(host, own)) return;
  throw new InvalidInput(
    path,
    `must not lie below ${settings.domain} or cover it, unless it is below ${own}: such names belong to other environments.`,
  );
}

function isAtOrBelow(host: string, domain: string): boolean {
  return host === domain || host.endsWith(`.${domain}`);
}

/** Nobody owns everything below one, such as .co.uk: by the Public Suffix List. */
export function refusePublicSuffix(host: string): void {
  if (!host.startsWith('.')) return;
  const domain = host.slice(1);
  if (getPublicSuffix(domain, { allowPrivateDomains: true }) === domain)
    throw new InvalidInput(
      ['input', 'host'],
      `must not be all of ${host}, below which names belong to many. Name the domain that is yours.`,
    );
}
