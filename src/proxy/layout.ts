// Where everything of a proxy lies within its container, on which ports it listens, and what its parts are called. Whoever
// writes a file, a configuration line or a runtime command takes the names from here; nothing here decides anything.

export interface ProxyFile {
  /** Absolute, within the container. */
  readonly path: string;
  readonly content: string;
  readonly mode: number;
}

/** Who HAProxy runs as: every file and folder below `folder` belongs to it. */
export const owner = { uid: 99, gid: 99 } as const;

export const folder = '/var/lib/berth';

export const paths = {
  configuration: `${folder}/haproxy.cfg`,
  backends: `${folder}/backends.cfg`,
  requestBody: `${folder}/request-body.lua`,
  certificateList: `${folder}/certificates.list`,
  hosts: `${folder}/hosts.map`,
  wildcards: `${folder}/wildcards.map`,
  origins: `${folder}/origins.map`,
  maintenance: `${folder}/maintenance.map`,
  challenges: `${folder}/challenges.map`,
  maintenancePage: `${folder}/pages/maintenance.html`,
  controlCertificate: `${folder}/control/server.pem`,
  controlAuthority: `${folder}/control/authority.pem`,
  /** HAProxy makes it itself, so the folder must be its own. */
  controlSocket: `${folder}/control/runtime.sock`,
} as const;

export const errorPage = (status: number): string => `${folder}/pages/${status}.http`;

export const certificatePath = (certificateId: string): string =>
  `${folder}/certificates/${certificateId}.pem`;

/** The command of the container. A worker that dies takes the container with it, and the engine starts it anew. */
export const command: readonly string[] = [
  ...['haproxy', '-W', '-db'],
  ...['-f', paths.configuration, '-f', paths.backends],
];

/** Asks HAProxy whether it would start with the files there are; exits with 0 or says why not. */
export const checkCommand: readonly string[] = [
  ...['haproxy', '-c'],
  ...['-f', paths.configuration, '-f', paths.backends],
];

export const ports = {
  plain: 8080,
  secure: 8443,
  /** The same, for connections that the edge brings with the PROXY protocol. */
  plainFromEdge: 8081,
  secureFromEdge: 8444,
  control: 9443,
} as const;

/** A site has a backend of its own, because its limits are; a job is a server in each backend of its service. */
export const siteBackend = (siteId: string): string => `site-${siteId}`;
