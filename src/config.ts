// Options by environment variables, each with a documented default (the table in README.md). Read once, at the start; a
// wrong one stops the start with a sentence.
import { resolve } from 'node:path';
import { z } from 'zod';
import { InvalidInput } from './errors.ts';

const seconds = (standard: number) => z.coerce.number().positive().default(standard);
const count = (standard: number) => z.coerce.number().int().positive().default(standard);
const port = (standard: number) => z.coerce.number().int().min(1).max(65_535).default(standard);
const given = z
  .string()
  .optional()
  .transform((text) => (text === '' ? undefined : text));

const shape = z.object({
  PORT: z.coerce.number().int().min(0).max(65_535).default(4800),
  HOST: z.string().default('127.0.0.1'),
  BERTH_PUBLIC_URL: given,
  BERTH_DOMAIN: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, 'it must be a domain name in lower case')
    .default('localhost'),
  BERTH_EDGE: z.enum(['yes', 'no']).default('yes'),
  BERTH_EDGE_HOST: z.ipv4().default('127.0.0.1'),
  BERTH_EDGE_HTTP_PORT: port(8000),
  BERTH_EDGE_HTTPS_PORT: port(8443),
  BERTH_EDGE_CONTROL_PORT: port(8404),
  BERTH_ACME_DIRECTORY: given,
  BERTH_ACME_CONTACT: given,
  BERTH_ACME_CA: given,
  BERTH_DATA: z.string().default('.berth'),
  BERTH_KEY_FILE: given,
  BERTH_ALLOWED_ORIGINS: z.string().default(''),
  BERTH_WEBHOOK_NETWORKS: z
    .string()
    .default('')
    .transform(listOf)
    .pipe(z.array(z.union([z.cidrv4(), z.cidrv6()], 'it must be networks such as 10.0.0.0/8'))),
  BERTH_SMTP_URL: given.refine(
    (url) => url === undefined || /^smtps?:\/\/[^\s/]+$/.test(url),
    'it must be like smtp://user:password@mail.example.org:587 or smtps://…',
  ),
  BERTH_MAIL_FROM: given,
  BERTH_SUBNETS: z.string().default('10.210.0.0/16'),
  BERTH_HELLO: z.enum(['yes', 'no']).default('yes'),
  BERTH_DEADLINE_SECONDS: z.coerce.number().int().min(10).max(3600).default(600),
  BERTH_HEALTHY_SECONDS: seconds(300),
  BERTH_SETTLE_SECONDS: seconds(10),
  BERTH_COMPARE_SECONDS: seconds(15),
  BERTH_VOLUME_RETENTION_SECONDS: z.coerce
    .number()
    .min(0)
    .default(7 * 24 * 3600),
  BERTH_KEPT_RELEASES: count(3),
  BERTH_BUILD_SECONDS: seconds(1800),
  BERTH_BUILD_MEMORY_MIB: count(2048),
  BERTH_BUILD_CA: given,
  NODE_EXTRA_CA_CERTS: given,
  NODE_ENV: z.string().default('development'),
  DATABASE_URL: given,
  DOCKER_HOST: given,
});

export interface Config {
  readonly port: number;
  readonly host: string;
  /** Undefined: made from host and port. */
  readonly publicUrl: string | undefined;
  /** Environments' own public host names are `<namespace>.<domain>`. */
  readonly domain: string;
  /** The machine's own ports that lead to sites; undefined: no edge. */
  readonly edge:
    | {
        readonly host: string;
        readonly httpPort: number;
        readonly httpsPort: number;
        readonly controlPort: number;
      }
    | undefined;
  /** The authority's directory; undefined: none. */
  readonly acmeDirectory: string | undefined;
  /** Mail address that the authority may write to. */
  readonly acmeContact: string | undefined;
  /** File with the CA of the directory itself, where it is a private one. */
  readonly acmeCaFile: string | undefined;
  readonly dataDirectory: string;
  readonly keyFile: string;
  readonly allowedOrigins: readonly string[];
  /** Networks that webhooks may reach though they are private, and by plain HTTP. */
  readonly webhookNetworks: readonly string[];
  /** By which webhooks to mail addresses are sent; undefined: none. */
  readonly mail: { readonly url: string; readonly from: string } | undefined;
  readonly subnetRange: string;
  readonly hello: boolean;
  readonly deadlineSeconds: number;
  readonly healthySeconds: number;
  readonly settleSeconds: number;
  readonly compareSeconds: number;
  readonly volumeRetentionSeconds: number;
  readonly keptReleases: number;
  readonly buildSeconds: number;
  readonly buildMemoryMiB: number;
  /** File with a CA that installs within builds have to trust. */
  readonly buildCaFile: string | undefined;
  readonly development: boolean;
  /** Undefined: the embedded Postgres. */
  readonly databaseUrl: string | undefined;
  readonly dockerHost: string | undefined;
}

export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const parsed = shape.safeParse(environment);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const name = String(issue?.path[0] ?? '');
    throw new InvalidInput(
      [name],
      `The variable ${name} is wrong: ${issue?.message ?? 'it can not be read'}.`,
    );
  }
  const options = parsed.data;
  const dataDirectory = resolve(options.BERTH_DATA);
  return {
    port: options.PORT,
    host: options.HOST,
    publicUrl: options.BERTH_PUBLIC_URL?.replace(/\/+$/, ''),
    domain: options.BERTH_DOMAIN,
    edge:
      options.BERTH_EDGE === 'no'
        ? undefined
        : {
            host: options.BERTH_EDGE_HOST,
            httpPort: options.BERTH_EDGE_HTTP_PORT,
            httpsPort: options.BERTH_EDGE_HTTPS_PORT,
            controlPort: options.BERTH_EDGE_CONTROL_PORT,
          },
    acmeDirectory: options.BERTH_ACME_DIRECTORY,
    acmeContact: options.BERTH_ACME_CONTACT,
    acmeCaFile: options.BERTH_ACME_CA,
    dataDirectory,
    keyFile: options.BERTH_KEY_FILE ?? resolve(dataDirectory, 'keys', 'key-encryption-key'),
    allowedOrigins: listOf(options.BERTH_ALLOWED_ORIGINS),
    webhookNetworks: options.BERTH_WEBHOOK_NETWORKS,
    mail: mailServer(options.BERTH_SMTP_URL, options.BERTH_MAIL_FROM),
    subnetRange: options.BERTH_SUBNETS,
    hello: options.BERTH_HELLO === 'yes',
    deadlineSeconds: options.BERTH_DEADLINE_SECONDS,
    healthySeconds: options.BERTH_HEALTHY_SECONDS,
    settleSeconds: options.BERTH_SETTLE_SECONDS,
    compareSeconds: options.BERTH_COMPARE_SECONDS,
    volumeRetentionSeconds: options.BERTH_VOLUME_RETENTION_SECONDS,
    keptReleases: options.BERTH_KEPT_RELEASES,
    buildSeconds: options.BERTH_BUILD_SECONDS,
    buildMemoryMiB: options.BERTH_BUILD_MEMORY_MIB,
    buildCaFile: options.BERTH_BUILD_CA ?? options.NODE_EXTRA_CA_CERTS,
    development: options.NODE_ENV !== 'production',
    databaseUrl: options.DATABASE_URL,
    dockerHost: options.DOCKER_HOST,
  };
}

function mailServer(url: string | undefined, from: string | undefined): Config['mail'] {
  if (url === undefined) return undefined;
  if (from === undefined)
    throw new InvalidInput([], 'BERTH_SMTP_URL needs BERTH_MAIL_FROM: the address that mails come from.');
  return { url, from };
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}
