// The sections that every proxy of the platform has, an environment's and the edge alike: the process itself, and the
// control port. And how sections become text.
import { paths } from './layout.ts';
import { address, whole } from './words.ts';

/** How much one proxy takes on. A limit of open files that is too low for `connections` is told, not fatal. */
export interface ProxySize {
  readonly threads: number;
  /** Most connections of visitors at once; further ones wait. */
  readonly connections: number;
}

/** A section's first line names it; the others are its directives. */
export function configurationText(sections: readonly (readonly string[])[]): string {
  const texts = sections.map(([title, ...lines]) => [title, ...lines.map((line) => `  ${line}`)].join('\n'));
  return `${texts.join('\n\n')}\n`;
}

export function globalSection({ threads, connections }: ProxySize): string[] {
  return [
    'global',
    'log stdout len 8192 format raw local0 info',
    `stats socket ${paths.controlSocket} mode 600 level admin`,
    'stats timeout 10s',
    `maxconn ${whole(connections, 10, 1_000_000)}`,
    'no strict-limits',
    `nbthread ${whole(threads, 1, 64)}`,
    'hard-stop-after 30s',
    'ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets',
    'ssl-default-bind-ciphers ECDHE+AESGCM:ECDHE+CHACHA20',
    'ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
    'tune.h2.max-concurrent-streams 100',
  ];
}

/** The runtime API behind mutual TLS. Who doesn't come from the given address is turned away before the handshake. */
export function controlSection(input: { readonly bind: string; readonly from: string }): string[] {
  return [
    'listen control',
    'mode tcp',
    'no log',
    'maxconn 64',
    'timeout client 30s',
    'timeout server 30s',
    'timeout connect 2s',
    `bind ${input.bind} ssl crt ${paths.controlCertificate} ca-file ${paths.controlAuthority} verify required ssl-min-ver TLSv1.3`,
    `tcp-request connection reject unless { src ${address(input.from)} }`,
    `server runtime unix@${paths.controlSocket}`,
  ];
}
