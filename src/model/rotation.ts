// Rotation: which jobs a service proxy sends requests to, and which services are in maintenance. Unlike sites it takes
// effect at once. Wanted stands in the jobs' rows; what a proxy was last seen to have is kept with the proxy's job.

export const rotations = ['OUT', 'IN', 'DRAINING'] as const;
export type Rotation = (typeof rotations)[number];

/** One job as a server: READY takes new requests, DRAIN only finishes what it has begun. */
export interface RotationServer {
  readonly jobId: string;
  readonly address: string;
  readonly port: number;
  readonly state: 'READY' | 'DRAIN';
}

export interface ServiceRotation {
  readonly serviceId: string;
  /** The proxy answers 503 with a page although jobs run. */
  readonly maintenance: boolean;
  /** Sorted by job id. */
  readonly servers: readonly RotationServer[];
}

/** Everything of a proxy that changes without its redeploy. Services sorted by id. */
export interface ProxyRotation {
  readonly services: readonly ServiceRotation[];
  /** ACME HTTP-01: token → key authorization. */
  readonly challenges: Readonly<Record<string, string>>;
  /** Certificate → fingerprint of what it is at present: a renewed one is served without a redeploy. */
  readonly certificates: Readonly<Record<string, string>>;
}

/** What a proxy was last seen to have. */
export interface AppliedRotation extends ProxyRotation {
  /** Noted before it is told anything and gone when it is known to have it: these services it may have in either way. */
  readonly doubtful?: readonly string[];
}

/** A living deploy job of a code service, as far as rotation is concerned. */
export interface RotatedJob {
  readonly id: string;
  readonly serviceId: string;
  readonly address: string | null;
  readonly rotation: Rotation | null;
  readonly healthy: boolean;
}

/** A running proxy: what it was last seen to have, and the services that its sites lead to. */
export interface ProxyView {
  readonly jobId: string;
  readonly applied: AppliedRotation | null;
  readonly routed: readonly string[];
}

/** What the proxies of an environment should have. A job that fails its check stays wanted but is given nothing new. */
export function wantedRotation(
  services: readonly { readonly id: string; readonly maintenance: boolean }[],
  jobs: readonly RotatedJob[],
  { challenges, certificates }: Pick<ProxyRotation, 'challenges' | 'certificates'>,
  port: number,
): ProxyRotation {
  const byService = Map.groupBy(jobs, (job) => job.serviceId);
  return {
    services: services.toSorted(byId).map(({ id, maintenance }) => ({
      serviceId: id,
      maintenance,
      servers: (byService.get(id) ?? []).toSorted(byId).flatMap((job): RotationServer[] => {
        if (job.address === null || job.rotation === null || job.rotation === 'OUT') return [];
        const state = job.rotation === 'IN' && job.healthy ? 'READY' : 'DRAIN';
        return [{ jobId: job.id, address: job.address, port, state }];
      }),
    })),
    challenges,
    certificates,
  };
}

/** By what a proxy can tell apart. */
export function sameRotation(a: AppliedRotation | null, b: ProxyRotation): boolean {
  return a !== null && a.doubtful === undefined && rotationText(a) === rotationText(b);
}

function rotationText({ services, challenges, certificates }: ProxyRotation): string {
  const maps = [challenges, certificates].map((map) => Object.entries(map).sort());
  return JSON.stringify([services.map(serviceText), ...maps]);
}

function serviceText({ serviceId, maintenance, servers }: ServiceRotation): string {
  const listed = servers.map(({ jobId, address, port, state }) => `${jobId} ${address}:${port} ${state}`);
  return [serviceId, maintenance, ...listed].join(' ');
}

/** Whether every running proxy that leads to the service has it as wanted; NONE when there is no such proxy. */
export function standOf(
  proxies: readonly ProxyView[],
  serviceId: string,
  wanted: ProxyRotation,
): 'NONE' | 'BEHIND' | 'CURRENT' {
  const leading = proxies.filter((proxy) => proxy.routed.includes(serviceId));
  if (leading.length === 0) return 'NONE';
  return leading.every(({ applied }) => applied !== null && !differs(applied, wanted, serviceId))
    ? 'CURRENT'
    : 'BEHIND';
}

/** Whether a proxy sends the job new requests, or may. One that has been told nothing yet is led to by nobody. */
export function maySendTo({ applied }: ProxyView, serviceId: string, jobId: string): boolean {
  if (applied === null) return false;
  if (applied.doubtful?.includes(serviceId)) return true;
  const servers = applied.services.find((each) => each.serviceId === serviceId)?.servers ?? [];
  return servers.some((server) => server.jobId === jobId && server.state === 'READY');
}

/** Services that a proxy has otherwise, or may have. */
export function changedServices(before: AppliedRotation | null, now: ProxyRotation): string[] {
  const all = [...(before?.services ?? []), ...now.services].map((each) => each.serviceId);
  return [...new Set(all)].filter((id) => before === null || differs(before, now, id));
}

function differs(applied: AppliedRotation, wanted: ProxyRotation, serviceId: string): boolean {
  const isDoubtful = applied.doubtful?.includes(serviceId) ?? false;
  return isDoubtful || textOf(applied, serviceId) !== textOf(wanted, serviceId);
}

function textOf(rotation: ProxyRotation, serviceId: string): string {
  const found = rotation.services.find((each) => each.serviceId === serviceId);
  return found === undefined || (found.servers.length === 0 && !found.maintenance) ? '' : serviceText(found);
}

/** Jobs whose place differs, with the place they have now; what has come or gone included. */
export function changedJobs(
  before: ProxyRotation | null,
  now: ProxyRotation,
): { readonly jobId: string; readonly serviceId: string; readonly rotation: Rotation }[] {
  const old = placesOf(before);
  const fresh = placesOf(now);
  return [...new Set([...old.keys(), ...fresh.keys()])].sort().flatMap((jobId) => {
    const was = old.get(jobId);
    const is = fresh.get(jobId);
    if (was?.rotation === is?.rotation) return [];
    return [{ jobId, serviceId: (is ?? was)?.serviceId ?? '', rotation: is?.rotation ?? 'OUT' }];
  });
}

function placesOf(rotation: ProxyRotation | null) {
  const places = new Map<string, { readonly serviceId: string; readonly rotation: Rotation }>();
  for (const { serviceId, servers } of rotation?.services ?? [])
    for (const { jobId, state } of servers)
      places.set(jobId, { serviceId, rotation: state === 'READY' ? 'IN' : 'DRAINING' });
  return places;
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : 1;
}
