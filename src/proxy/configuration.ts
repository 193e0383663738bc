// The files of an environment's proxy, from what it is deployed with and who is in rotation: configuration, backends, maps,
// certificates, pages. Pure. What callers named goes to map files (maps.ts); a configuration line holds only numbers,
// addresses and ids of our own. Backends are in a file of their own, because they are written anew with each rotation.
import { readFileSync } from 'node:fs';
import type { ProxyRotation } from '../model/rotation.ts';
import type { ProxySpec } from '../model/sites.ts';
import { keptForLog, requestLog } from './access-log.ts';
import { backendsFile } from './backends.ts';
import { certificatePath, errorPage, type ProxyFile, paths, ports } from './layout.ts';
import { certificateList, rotationMapFiles, siteMapFiles } from './maps.ts';
import { errorStatuses, pageFiles } from './pages.ts';
import { configurationText, controlSection, globalSection, type ProxySize } from './sections.ts';
import { address, id, pem, whole } from './words.ts';

/** The keys of the control port: only who holds the installation's client key passes. */
export interface ControlKeys {
  /** Certificate and key that the proxy shows, as one PEM text. */
  readonly serverPem: string;
  /** The authority that the control plane's client certificate must come from. */
  readonly authorityPem: string;
}

export interface ProxyInput extends ProxySize {
  readonly spec: ProxySpec;
  readonly rotation: ProxyRotation;
  /** Certificate id → chain and key as one PEM text; one for each certificate that a site names. */
  readonly pems: ReadonlyMap<string, string>;
  /** The address of the network's gateway: the control plane and the edge come from there, and jobs never do. */
  readonly gateway: string;
  readonly control: ControlKeys;
  /** The port at which visitors reach sites by HTTPS, where redirects lead. */
  readonly publicSecurePort: number;
}

/** Everything a proxy starts from. */
export function proxyFiles(input: ProxyInput): ProxyFile[] {
  return [
    configurationFile(input),
    ...siteMapFiles(input.spec),
    ...rotationFiles(input),
    certificateList(input.spec),
    ...certificateFiles(input),
    ...controlFiles(input.control),
    ...pageFiles(),
    { path: paths.requestBody, content: requestBody, mode: 0o644 },
  ];
}

/** What changes without a redeploy, as it must lie there should the proxy start anew. */
export function rotationFiles(
  input: Pick<ProxyInput, 'spec' | 'rotation' | 'publicSecurePort'>,
): ProxyFile[] {
  return [backendsFile(input), ...rotationMapFiles(input.rotation)];
}

export function controlFiles(control: ControlKeys): ProxyFile[] {
  return [
    { path: paths.controlCertificate, content: pem(control.serverPem), mode: 0o600 },
    { path: paths.controlAuthority, content: pem(control.authorityPem), mode: 0o600 },
  ];
}

/** One certificate's file, for its first start and for its renewal. */
export function certificateFile(certificateId: string, text: string): ProxyFile {
  return { path: certificatePath(id(certificateId)), content: pem(text), mode: 0o600 };
}

function certificateFiles({ spec, pems }: ProxyInput): ProxyFile[] {
  const named = new Set(spec.sites.flatMap((site) => site.certificateId ?? []));
  return [...named].map((certificateId) => {
    const text = pems.get(certificateId);
    if (text === undefined)
      throw new Error(`The certificate ${certificateId} of a site was not handed over.`);
    return certificateFile(certificateId, text);
  });
}

const requestBody = readFileSync(new URL('./request-body.lua', import.meta.url), 'utf8');

function configurationFile(input: ProxyInput): ProxyFile {
  const sections = [
    [...globalSection(input), `lua-load-per-thread ${paths.requestBody}`, `grace ${farewellSeconds}s`],
    controlSection({ bind: `:${ports.control}`, from: input.gateway }),
    pagesSection,
    defaultsSection,
    frontendSection(input),
  ];
  return { path: paths.configuration, content: configurationText(sections), mode: 0o600 };
}

const pagesSection = [
  'http-errors berth',
  ...errorStatuses.map((status) => `errorfile ${status} ${errorPage(status)}`),
];

/**
 * A connection to a job serves one request (http-server-close): one kept alive may be closed by the job while a request is
 * on its way, and a request that isn't safe to repeat would then be lost. So a connection that fails has carried nothing
 * and any request is tried elsewhere; a connection that ends without an answer is repeated for safe methods only.
 */
const defaultsSection = [
  'defaults',
  'mode http',
  'errorfiles berth',
  'option http-server-close',
  'option http-no-delay',
  'option dontlognull',
  'option http-ignore-probes',
  'option http-restrict-req-hdr-names delete',
  'option redispatch 1',
  'retries 3',
  'retry-on conn-failure empty-response',
  'balance leastconn',
  'timeout http-request 10s',
  'timeout http-keep-alive 60s',
  'timeout client-fin 10s',
  'timeout server-fin 10s',
  'timeout queue 10s',
  'timeout connect 5s',
  'timeout server 60s',
  'timeout tunnel 1h',
];

function frontendSection({ spec, gateway, connections }: ProxyInput): string[] {
  const secured = spec.sites.some((site) => site.certificateId !== null);
  const secure = `ssl crt-list ${paths.certificateList} strict-sni alpn h2,http/1.1`;
  return [
    'frontend web',
    'log global',
    `log-format ${requestLog}`,
    `error-log-format ${requestLog}`,
    `maxconn ${whole(connections, 10, 1_000_000)}`,
    `timeout client ${longestSend(spec)}s`,
    `bind :${ports.plain}`,
    `bind :${ports.plainFromEdge} accept-proxy`,
    // Without any certificate there is nothing to shake hands with.
    ...(secured
      ? [`bind :${ports.secure} ${secure}`, `bind :${ports.secureFromEdge} accept-proxy ${secure}`]
      : []),
    `tcp-request connection reject if { dst_port ${ports.plainFromEdge} ${ports.secureFromEdge} } !{ src ${address(gateway)} }`,
    'http-request set-var(txn.scheme) str(http)',
    'http-request set-var(txn.scheme) str(https) if { ssl_fc }',
    ...keptForLog,
    'http-request return status 405 default-errorfiles if { method CONNECT TRACE }',
    ...challengeRules,
    ...siteRules,
    ...headerRules,
    'http-request disable-l7-retry unless { method GET HEAD OPTIONS }',
    'http-after-response set-header connection close if { stopping } !{ status 101 }',
    'use_backend site-%[var(txn.site)]',
  ];
}

/**
 * A proxy that is told to stop serves on for so long and takes leave with each answer; only then it closes connections that
 * are idle. One that is in use would else be closed as the next request is on its way.
 */
const farewellSeconds = 2;

/** How long a visitor may be silent on its connection: HAProxy has one such limit for a listener and all its sites. */
function longestSend({ sites }: ProxySpec): string {
  return whole(Math.max(1, ...sites.map((site) => site.limits.sendSeconds)), 1, 86_400);
}

const challengeRules = [
  'http-request set-var(txn.challenge) path,field(4,/),map_str(' +
    `${paths.challenges}) if { path_beg /.well-known/acme-challenge/ }`,
  'http-request return status 200 content-type text/plain lf-string %[var(txn.challenge)] if { var(txn.challenge) -m found }',
];

/**
 * From the host to the site. A browser that holds a connection for one host uses it for others that its certificate covers;
 * 421 makes it open another, which the edge can lead to where that host is served.
 */
const siteRules = [
  'http-request set-var(txn.host) req.fhdr(host),field(1,:),lower,rtrim(.)',
  `http-request set-var(txn.site) var(txn.host),map_str(${paths.hosts})`,
  `http-request set-var(txn.site) str(.),concat(,txn.host),map_end(${paths.wildcards}) if !{ var(txn.site) -m found } { var(txn.host) -m reg ^[a-z0-9_][a-z0-9_.-]*$ }`,
  'http-request return status 421 content-type text/plain string "Another connection is needed for this host." if !{ var(txn.site) -m found } { ssl_fc } !{ ssl_fc_sni,lower,strcmp(txn.host) eq 0 }',
  'http-request return status 404 default-errorfiles if !{ var(txn.site) -m found }',
];

/**
 * What a visitor says of the way its request took is never believed. Of upgrades only web sockets pass: another protocol
 * (h2c) would be a tunnel past these rules; and `Connection` names no header that is to be dropped on the way.
 */
const headerRules = [
  'http-request set-var(txn.origin) req.fhdr(origin),lower',
  'http-request del-header ^x[-_]forwarded -m reg',
  'http-request del-header ^(forwarded|x[-_]real[-_]ip|(true|x)[-_]client[-_]ip|x[-_]cluster[-_]client[-_]ip|proxy|http2-settings)$ -m reg',
  'http-request set-header X-Forwarded-For %[src]',
  'http-request set-header X-Forwarded-Proto %[var(txn.scheme)]',
  'http-request set-header X-Forwarded-Host %[req.fhdr(host)]',
  'http-request set-header X-Forwarded-Port %[dst_port]',
  'http-request set-header X-Real-IP %[src]',
  'http-request del-header upgrade unless { req.fhdr(upgrade) -i websocket }',
  'http-request set-header connection upgrade if { req.fhdr(upgrade) -m found }',
  'http-request del-header connection unless { req.fhdr(upgrade) -m found }',
];
