// Sites: which host name leads to which code service, and what the service proxy does for it. A proxy's spec copies them,
// so a change waits for the proxy's redeploy. Who is in rotation behind a site is no part of it: see rotation.ts.
import { InvalidInput, LimitReached } from '../errors.ts';
import { checkRange } from './rules.ts';

export interface SiteLimits {
  /** Largest request body in bytes; beyond it the proxy answers 413. */
  readonly bodyBytes: number;
  /** Longest wait for a connection to a job, in seconds. */
  readonly connectSeconds: number;
  /** Longest silence of the client while it sends, in seconds. */
  readonly sendSeconds: number;
  /** Longest silence of the job while it answers, in seconds. Web sockets and tunnels are not cut by it. */
  readonly readSeconds: number;
}

export const siteLimits = {
  bodyBytes: { standard: 50 * 1024 * 1024, minimum: 1024, maximum: 10 * 1024 * 1024 * 1024 },
  connectSeconds: { standard: 5, minimum: 1, maximum: 60 },
  sendSeconds: { standard: 60, minimum: 1, maximum: 3600 },
  readSeconds: { standard: 60, minimum: 1, maximum: 3600 },
} as const;

export interface SiteSpec {
  readonly id: string;
  /** Lower case; a leading dot stands for the domain and everything below it. */
  readonly host: string;
  /** The code service that answers. */
  readonly serviceId: string;
  readonly certificateId: string | null;
  readonly limits: SiteLimits;
  /** Origins that may read answers across origins, `https://app.example`; empty: no CORS headers. */
  readonly corsOrigins: readonly string[];
}

/** The hosts of sites that may answer for this one: its own, and every domain that covers it. */
export function hostsAbove(host: string): string[] {
  const labels = host.replace(/^\./, '').split('.');
  return [host, ...labels.map((_, index) => `.${labels.slice(index).join('.')}`)];
}

/** What a service proxy is deployed with. */
export interface ProxySpec {
  readonly sites: readonly SiteSpec[];
  /** Ids of the certificates that its sites are served with, each as it is at the moment. */
  readonly certificates: readonly string[];
}

export const standardLimits: SiteLimits = {
  bodyBytes: siteLimits.bodyBytes.standard,
  connectSeconds: siteLimits.connectSeconds.standard,
  sendSeconds: siteLimits.sendSeconds.standard,
  readSeconds: siteLimits.readSeconds.standard,
};

export const mostSites = 200;
export const mostCorsOrigins = 50;

const hostLabel = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const hostName = new RegExp(`^\\.?(?:${hostLabel}\\.)*${hostLabel}$`);
/** Scheme, the longest host and a port. */
const longestOrigin = 267;
const originText = new RegExp(`^https?://(?:${hostLabel}\\.)*${hostLabel}(?::[0-9]{1,5})?$`);

/** In lower case; an international name in its ASCII form. A leading dot: the domain and everything below it. */
export function checkHost(value: string, path: readonly string[]): string {
  const host = value.toLowerCase();
  const labels = host.replace(/^\./, '').split('.');
  if (host.length > 253 || !hostName.test(host) || /^[0-9.]+$/.test(host) || labels.length < 2)
    throw new InvalidInput(
      path,
      'must be a host name of at least two labels, for example shop.example.org, or .example.org for everything below.',
    );
  return host;
}

export function checkCorsOrigins(values: readonly string[], path: readonly string[]): string[] {
  if (values.length > mostCorsOrigins)
    throw new LimitReached(
      `At most ${mostCorsOrigins} origins a site.`,
      path,
      mostCorsOrigins,
      values.length,
    );
  for (const [index, value] of values.entries())
    if (value.length > longestOrigin || !originText.test(value))
      throw new InvalidInput(
        [...path, String(index)],
        `must be an origin such as https://app.example.org, in lower case, without a path and at most ${longestOrigin} characters long.`,
      );
  return [...new Set(values)];
}

/** What a caller may give; what is absent keeps its present or standard value. */
export type SiteLimitsInput = { readonly [K in keyof SiteLimits]?: number | null | undefined };

export function checkSiteLimits(
  given: SiteLimitsInput,
  base: SiteLimits,
  path: readonly string[],
): SiteLimits {
  const names = Object.keys(siteLimits) as (keyof SiteLimits)[];
  const chosen = names.map((name) => {
    const { minimum, maximum } = siteLimits[name];
    return [name, checkRange(given[name] ?? base[name], minimum, maximum, [...path, name])] as const;
  });
  return Object.fromEntries(chosen) as unknown as SiteLimits;
}
