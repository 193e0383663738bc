// What a service proxy's job starts from: its configuration made from the spec copy it keeps and the rotation of this
// moment, its certificates opened for this moment only, and a key for its control channel.
import { networkName } from '../model/jobs.ts';
import type { AppliedRotation } from '../model/rotation.ts';
import type { ProxySpec } from '../model/sites.ts';
import type { Size } from '../model/spec.ts';
import { listCertificatesById } from '../postgres/certificates.ts';
import { readClock } from '../postgres/open.ts';
import { readRotation } from '../postgres/rotation.ts';
import { openSecrets } from '../postgres/variables.ts';
import { proxyFiles } from '../proxy/configuration.ts';
import type { ProxyFile } from '../proxy/layout.ts';
import type { Deps } from './deps.ts';

const connections = 10_000;

export interface ProxyStart {
  readonly files: readonly ProxyFile[];
  /** What it will have when it runs, unless an earlier try that nobody knows of has started it with something else. */
  readonly applied: AppliedRotation;
}

export interface ProxyPlace {
  readonly environmentId: string;
  /** Of the container, by which its control channel knows it. */
  readonly name: string;
  readonly size: Size;
}

export async function prepareProxy(deps: Deps, place: ProxyPlace, spec: ProxySpec): Promise<ProxyStart> {
  const { store, runtime, controlKeys, issueServerKey } = deps;
  // First, so that a certificate renewed meanwhile is newer than what is noted of it: it is told once more, and never missed.
  const rotation = await readRotation(store.db, place.environmentId);
  const [pems, gateway, now] = await Promise.all([
    openCertificates(deps, spec.certificates),
    runtime.gatewayOf(networkName(place.environmentId)),
    readClock(store.db),
  ]);
  const serverPem = await issueServerKey(controlKeys, place.name, now);
  const control = { serverPem, authorityPem: controlKeys.authority.certificate };
  const size = { threads: Math.max(1, Math.ceil(place.size.cpuMillis / 1000)), connections };
  const doubtful = rotation.services.map((each) => each.serviceId);
  const input = { spec, rotation, pems, gateway, control, publicSecurePort: publicSecurePort(deps) };
  return { files: proxyFiles({ ...input, ...size }), applied: { ...rotation, doubtful } };
}

/** As they are at the moment, by certificate id. */
export async function openCertificates(
  { store, vault }: Deps,
  ids: readonly string[],
): Promise<Map<string, string>> {
  const rows = ids.length === 0 ? [] : await listCertificatesById(store.db, ids);
  const secrets = await openSecrets(
    store.db,
    vault,
    rows.flatMap((row) => row.secretId ?? []),
  );
  return new Map(
    rows.map(({ id, secretId }) => {
      const pem = secretId === null ? undefined : secrets.get(secretId);
      if (pem === undefined) throw new Error(`the certificate ${id} is gone`);
      return [id, pem];
    }),
  );
}

/** Where visitors reach sites by HTTPS. */
export function publicSecurePort({ settings }: Deps): number {
  return settings.edge?.httpsPort ?? 443;
}
