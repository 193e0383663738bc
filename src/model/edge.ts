// The edge holds the public ports of a pod and leads each connection to a service proxy of the environment whose host it
// names. Its rotation is that of the proxies' jobs, in the same shape in which theirs is that of code jobs.
import type { AppliedRotation, ProxyRotation } from './rotation.ts';

/** Environments of a pod at most: so many places are made beforehand. */
export const edgeSlots = 1_024;

export interface EdgePlace {
  /** The same for as long as the environment lives. */
  readonly slot: number;
  /** Host names that its running proxies serve. */
  readonly hosts: readonly string[];
}

export interface EdgeRotation extends ProxyRotation {
  /** By service proxy. */
  readonly places: Readonly<Record<string, EdgePlace>>;
}

/** What the edge was last seen to have; see AppliedRotation for what is in doubt. */
export type AppliedEdge = EdgeRotation & Pick<AppliedRotation, 'doubtful'>;

/** One that was not seen for so long doesn't work, and holds up no redeploy of a service proxy. */
export const edgePatienceSeconds = 30;

/** By what the edge can tell apart. */
export function sameEdge(a: AppliedEdge | null, b: EdgeRotation): boolean {
  return a !== null && a.doubtful === undefined && edgeText(a) === edgeText(b);
}

function edgeText({ services, places }: EdgeRotation): string {
  const servers = services.map((each) => [
    each.serviceId,
    each.servers.map((s) => [s.jobId, s.address, s.state]),
  ]);
  return JSON.stringify([servers, Object.entries(places).sort(([a], [b]) => (a < b ? -1 : 1))]);
}
