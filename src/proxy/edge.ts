// The files of the edge and the commands that change it at runtime. The edge holds the public ports of a machine and leads
// each connection, unread, to the proxy of the environment whose host it names: by the name in TLS's greeting, or by the
// first request's Host. It keeps no certificate. Each environment has a slot, a pair of backends made beforehand, so that
// environments and their proxies come and go without a restart of what everybody's connections pass through.
import type { ControlKeys } from './configuration.ts';
import { controlFiles } from './configuration.ts';
import { errorPage, type ProxyFile, paths, ports } from './layout.ts';
import { exactHosts, hostFiles, wildcardHosts } from './maps.ts';
import { pageFiles } from './pages.ts';
import type { MapEntry, RuntimeCommand, ShownRotation, WantedServer } from './rotation.ts';
import { mapCommands, ordered, wholeMapCommands } from './rotation.ts';
import { configurationText, controlSection, globalSection, type ProxySize } from './sections.ts';
import { address, endpoint, id, whole } from './words.ts';

export interface EdgeProxy {
  readonly jobId: string;
  readonly address: string;
  readonly state: 'READY' | 'DRAIN';
}

export interface EdgeEnvironment {
  /** From 0; the same for as long as the environment lives. */
  readonly slot: number;
  /** As in sites: a leading dot stands for the domain and all below it. */
  readonly hosts: readonly string[];
  readonly proxies: readonly EdgeProxy[];
}

export interface EdgeInput extends ProxySize {
  /** Where the public ports are opened, on the machine's own network. */
  readonly address: string;
  readonly plainPort: number;
  readonly securePort: number;
  /** The control port is opened on the loopback address alone. */
  readonly controlPort: number;
  readonly control: ControlKeys;
  readonly slots: number;
  readonly environments: readonly EdgeEnvironment[];
}

export const edgePrefix = 'slot-';
export const edgeMaps: readonly string[] = [paths.hosts, paths.wildcards];

const kinds = [
  { kind: 'plain', port: ports.plainFromEdge },
  { kind: 'secure', port: ports.secureFromEdge },
] as const;

export function edgeFiles(input: EdgeInput): ProxyFile[] {
  return [
    { path: paths.configuration, content: configurationText(sections(input)), mode: 0o600 },
    ...edgeRotationFiles(input),
    ...controlFiles(input.control),
    ...pageFiles(),
  ];
}

/** What changes at runtime, as it must lie there should the edge start anew. */
export function edgeRotationFiles({
  slots,
  environments,
}: Pick<EdgeInput, 'slots' | 'environments'>): ProxyFile[] {
  const backends = Array.from({ length: slots }, (_, slot) => slot).flatMap((slot) =>
    kinds.map(({ kind, port }) => [
      `backend ${backendName(slot, kind)}`,
      ...proxiesOf(environments, slot)
        .filter((proxy) => proxy.state === 'READY')
        .map((proxy) => `server ${id(proxy.jobId)} ${endpoint(proxy.address, port)} ${serverOptions}`),
    ]),
  );
  return [
    { path: paths.backends, content: configurationText(backends), mode: 0o600 },
    ...hostFiles(hostEntries(environments)),
  ];
}

/** Compared with `show(edgePrefix, edgeMaps)`. */
export function edgeCommands(
  shown: ShownRotation,
  environments: readonly EdgeEnvironment[],
): RuntimeCommand[] {
  const backends = new Map<string, readonly WantedServer[]>(
    [...shown.servers.keys()].map((backend) => [backend, []]),
  );
  for (const { slot, proxies } of environments) {
    for (const { kind, port } of kinds) {
      const servers = proxies.map((proxy) => ({ ...proxy, port, options: serverOptions }));
      backends.set(backendName(slot, kind), servers);
    }
  }
  const entries = hostEntries(environments);
  return ordered(shown, backends, [
    ...mapCommands(shown, paths.hosts, exactHosts(entries)),
    ...wholeMapCommands(shown, paths.wildcards, wildcardHosts(entries)),
  ]);
}

const serverOptions = 'send-proxy-v2';

const backendName = (slot: number, kind: string): string => `${edgePrefix}${whole(slot, 0, 9999)}-${kind}`;

function proxiesOf(environments: readonly EdgeEnvironment[], slot: number): readonly EdgeProxy[] {
  return environments.find((one) => one.slot === slot)?.proxies ?? [];
}

function hostEntries(environments: readonly EdgeEnvironment[]): MapEntry[] {
  return environments.flatMap(({ slot, hosts }) =>
    hosts.map((host): MapEntry => [host, whole(slot, 0, 9999)]),
  );
}

function sections(input: EdgeInput): string[][] {
  return [
    globalSection(input),
    controlSection({ bind: `127.0.0.1:${whole(input.controlPort, 1, 65_535)}`, from: '127.0.0.1' }),
    defaultsSection,
    [
      'frontend secure',
      `bind ${endpoint(address(input.address), input.securePort)}`,
      ...frontendRules,
      'tcp-request content reject unless { req.ssl_hello_type 1 }',
      'tcp-request content set-var(sess.host) req.ssl_sni,lower,rtrim(.)',
      ...slotRules,
      'tcp-request content reject unless { var(sess.slot) -m found }',
      'use_backend slot-%[var(sess.slot)]-secure',
    ],
    [
      'frontend plain',
      `bind ${endpoint(address(input.address), input.plainPort)}`,
      ...frontendRules,
      'tcp-request content reject unless { req.proto_http }',
      'tcp-request content set-var(sess.host) req.fhdr(host),field(1,:),lower,rtrim(.)',
      ...slotRules,
      'use_backend unknown unless { var(sess.slot) -m found }',
      'use_backend slot-%[var(sess.slot)]-plain',
    ],
    [
      'backend unknown',
      'mode http',
      `errorfile 404 ${errorPage(404)}`,
      'timeout http-request 10s',
      'timeout http-keep-alive 1s',
      'http-request return status 404 default-errorfiles',
    ],
  ];
}

/**
 * Silence is for the environments' proxies to judge, whose longest limit these pass. A connection carries much, so one that
 * fails before it has carried anything is tried on another proxy, and no other; soon, for they are on this machine.
 */
const defaultsSection = [
  'defaults',
  'mode tcp',
  'option redispatch 1',
  'retries 3',
  'balance leastconn',
  'timeout connect 2s',
  'timeout queue 5s',
  'timeout client 65m',
  'timeout server 65m',
  'timeout tunnel 65m',
  'timeout client-fin 10s',
  'timeout server-fin 10s',
];

const connectionLog =
  '\'{"at":%[date(0,ms)],"client":"%ci","port":%fp,"host":"%[var(sess.host),bytes(0,256),json(utf8s)]","backend":"%b",' +
  '"job":"%s","bytesIn":%U,"bytesOut":%B,"waitMs":%Tw,"connectMs":%Tc,"totalMs":%Tt,"end":"%ts"}\'';

const frontendRules = [
  'log global',
  'option dontlognull',
  `log-format ${connectionLog}`,
  `error-log-format ${connectionLog}`,
  'tcp-request inspect-delay 10s',
];

const slotRules = [
  `tcp-request content set-var(sess.slot) var(sess.host),map_str(${paths.hosts})`,
  `tcp-request content set-var(sess.slot) str(.),concat(,sess.host),map_end(${paths.wildcards}) if !{ var(sess.slot) -m found } { var(sess.host) -m reg ^[a-z0-9_][a-z0-9_.-]*$ }`,
];
