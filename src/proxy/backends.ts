// The backends: each site's rules and limits, and the jobs of its service that are in rotation. Written anew with each
// rotation, so that a proxy that starts by itself starts with who was in rotation last.
import type { ProxyRotation, RotationServer } from '../model/rotation.ts';
import type { ProxySpec, SiteSpec } from '../model/sites.ts';
import { type ProxyFile, paths, siteBackend } from './layout.ts';
import { configurationText } from './sections.ts';
import { endpoint, id, whole } from './words.ts';

export interface BackendsInput {
  readonly spec: ProxySpec;
  readonly rotation: ProxyRotation;
  readonly publicSecurePort: number;
}

export function backendsFile({ spec, rotation, publicSecurePort }: BackendsInput): ProxyFile {
  const sections = spec.sites.map((site) => [
    `backend ${siteBackend(id(site.id))}`,
    ...siteRules(site, publicSecurePort),
    ...serversOf(rotation, site.serviceId).flatMap(serverLines),
  ]);
  return { path: paths.backends, content: configurationText(sections), mode: 0o600 };
}

export function serversOf(rotation: ProxyRotation, serviceId: string): readonly RotationServer[] {
  return rotation.services.find((one) => one.serviceId === serviceId)?.servers ?? [];
}

/** A job that drains isn't written: a proxy that starts has no connection to it that could end in peace. */
function serverLines(server: RotationServer): string[] {
  return server.state === 'READY'
    ? [`server ${id(server.jobId)} ${endpoint(server.address, server.port)}`]
    : [];
}

function siteRules(site: SiteSpec, publicSecurePort: number): string[] {
  const { connectSeconds, sendSeconds, readSeconds, bodyBytes } = site.limits;
  return [
    `timeout connect ${seconds(connectSeconds)}`,
    `timeout queue ${seconds(connectSeconds)}`,
    `timeout server ${seconds(readSeconds)}`,
    ...(site.certificateId === null ? [] : [redirectRule(publicSecurePort)]),
    ...maintenanceRules(site.serviceId),
    ...(site.corsOrigins.length === 0 ? [] : originRules(site.id)),
    `http-request return status 413 default-errorfiles if { req.body_size gt ${whole(bodyBytes, 0, Number.MAX_SAFE_INTEGER)} }`,
    `filter lua.request-body ${bodyBytes}`,
    'http-after-response set-status 413 if { var(txn.too_large) -m bool }',
    // While a body is on its way this timeout counts, and not the client's, so it may not be shorter than either limit.
    `http-request set-timeout server ${seconds(Math.max(sendSeconds, readSeconds))} if { req.body_size gt 0 } or { req.fhdr(transfer-encoding) -m found }`,
    // A stream of events may be quiet for as long as a web socket may.
    'http-request set-timeout server 1h if { req.fhdr(accept) -m sub text/event-stream }',
  ];
}

const seconds = (value: number): string => `${whole(value, 1, 86_400)}s`;

function redirectRule(publicSecurePort: number): string {
  const port = publicSecurePort === 443 ? '' : `:${whole(publicSecurePort, 1, 65_535)}`;
  return `http-request redirect code 308 location https://%[var(txn.host)]${port}%[pathq] unless { ssl_fc }`;
}

function maintenanceRules(serviceId: string): string[] {
  return [
    `http-request return status 503 content-type "text/html; charset=utf-8" file ${paths.maintenancePage} hdr Retry-After 120 hdr Cache-Control no-store if { str(${id(serviceId)}),map_str(${paths.maintenance}) -m found }`,
  ];
}

/**
 * Origins that were named may read answers, the proxy's own errors included, also with the visitor's cookies. Where any is
 * named the proxy alone speaks of origins, and what the job says of them is dropped; where none is, the job speaks.
 */
function originRules(siteId: string): string[] {
  const asked = '{ method OPTIONS } { req.fhdr(access-control-request-method) -m found }';
  return [
    `http-request set-var(txn.reader) var(txn.origin) if { str(${id(siteId)}|),concat(,txn.origin),map_str(${paths.origins}) -m found }`,
    `http-request set-var(txn.asked_headers) req.fhdr(access-control-request-headers) if { var(txn.reader) -m found } ${asked}`,
    `http-request set-var(txn.preflight) bool(true) if { var(txn.reader) -m found } ${asked}`,
    'http-after-response del-header ^access-control-(allow-.*|max-age)$ -m reg',
    'http-after-response add-header Vary Origin',
    'http-after-response set-header Access-Control-Allow-Origin %[var(txn.reader)] if { var(txn.reader) -m found }',
    'http-after-response set-header Access-Control-Allow-Credentials true if { var(txn.reader) -m found }',
    'http-after-response set-header Access-Control-Allow-Methods "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS" if { var(txn.preflight) -m bool }',
    'http-after-response set-header Access-Control-Allow-Headers %[var(txn.asked_headers)] if { var(txn.asked_headers) -m found }',
    'http-after-response set-header Access-Control-Max-Age 600 if { var(txn.preflight) -m bool }',
    'http-request return status 204 if { var(txn.preflight) -m bool }',
  ];
}
