// What containers and volumes use on Docker Engine, each measured once and on request.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Engine, pathOf } from './docker-call.ts';
import { EngineFault, labels, type MemoryUse } from './runtime.ts';

interface Stats {
  readonly memory_stats: {
    readonly usage?: number;
    readonly limit?: number;
    readonly stats?: { readonly total_inactive_file?: number; readonly inactive_file?: number };
  };
}

export async function memoryUse(engine: Engine, id: string): Promise<MemoryUse | undefined> {
  const found = await engine.askIfThere<Stats>({
    operation: `measure container ${id}`,
    method: 'GET',
    path: pathOf`/containers/${id}/stats`,
    // Otherwise the engine takes a second sample a second later, for the share of CPU.
    query: { stream: false, 'one-shot': true },
    deadlineMs: engine.deadlines.look,
  });
  const { usage, limit, stats } = found?.memory_stats ?? {};
  // Of one that doesn't run the engine tells nothing.
  if (usage === undefined || limit === undefined) return undefined;
  // Pages of files that the kernel drops as soon as memory is needed; by control groups 1 and 2.
  const dropped = stats?.total_inactive_file ?? stats?.inactive_file ?? 0;
  return { usedBytes: Math.max(0, usage - dropped), limitBytes: limit };
}

interface MeasuredVolume {
  readonly Name: string;
  readonly Labels: Record<string, string> | null;
  readonly UsageData?: { readonly Size: number } | null;
}

const againAfterMs = 250;

/** The engine measures for one caller at a time, whoever that is, and refuses all others meanwhile. */
export async function volumeSizes(
  engine: Engine,
  installation: string,
): Promise<ReadonlyMap<string, number>> {
  const end = performance.now() + engine.deadlines.change;
  for (;;) {
    try {
      return sizesOf(await measureVolumes(engine, end - performance.now()), installation);
    } catch (cause) {
      const busy = cause instanceof EngineFault && cause.message.includes('already running');
      if (!busy || performance.now() + againAfterMs >= end) throw cause;
      await sleep(againAfterMs);
    }
  }
}

async function measureVolumes(engine: Engine, deadlineMs: number): Promise<readonly MeasuredVolume[]> {
  const { Volumes } = await engine.ask<{ Volumes: MeasuredVolume[] | null }>({
    operation: 'measure volumes',
    method: 'GET',
    path: '/system/df',
    // Engines before API 1.42 measure everything else too.
    query: { type: 'volume' },
    deadlineMs,
  });
  return Volumes ?? [];
}

function sizesOf(volumes: readonly MeasuredVolume[], installation: string): ReadonlyMap<string, number> {
  const ours = volumes.filter((volume) => volume.Labels?.[labels.installation] === installation);
  // Below zero: it could not be measured.
  const measured = ours.filter(({ UsageData }) => (UsageData?.Size ?? -1) >= 0);
  return new Map(measured.map((volume) => [volume.Name, volume.UsageData?.Size ?? 0]));
}
