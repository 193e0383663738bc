// The service proxy: HAProxy in a container, included in every environment, the only service reachable from outside.
export const serviceProxy = {
  runtime: 'HAPROXY',
  title: 'HAProxy',
  version: '2.6',
  image: 'docker.io/library/haproxy:2.6',
  label: 'proxy',
  size: { memoryMiB: 256, cpuMillis: 1000, storageGiB: null },
  /** Ports within its container. What comes from the pod's edge is announced by the PROXY protocol. */
  ports: { http: 8080, https: 8443, edgeHttp: 8081, edgeHttps: 8444, control: 9443 },
  /** Where everything it is started from lies. */
  folder: '/var/lib/berth',
  /** What its image runs as. */
  userId: 99,
  /** Requests that have begun may end. */
  stopGraceSeconds: 30,
} as const;
