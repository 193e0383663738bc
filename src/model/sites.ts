// Sites: which host name leads to which code service, and what the service proxy does for it. A proxy's spec copies them,
// so a change waits for the proxy's redeploy. Who is in rotation behind a site is no part of it: see rotation.ts.

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

export interface CertificateRef {
  readonly id: string;
  /** The secret in which chain and key stand, as one PEM text. */
  readonly secretId: string;
  /** SHA-256 of the leaf certificate, hexadecimal. */
  readonly fingerprint: string;
}

/** What a service proxy is deployed with. */
export interface ProxySpec {
  readonly sites: readonly SiteSpec[];
  readonly certificates: readonly CertificateRef[];
}
