// The named points of the work, where tests let the process die: before an effect on the world, after it and after its record.
export const stepNames = [
  'BEGIN',
  'PREPARE',
  'OBTAIN_IMAGE',
  'STOP_JOB',
  'ENTER_START_NEW',
  'START_JOB',
  'ENTER_VERIFY',
  'VERIFY_JOB',
  'ENTER_SWITCH',
  'SWITCH',
  'ENTER_OVERLAP',
  'ENTER_DRAIN',
  'DRAIN_JOB',
  'SWITCH_BACK',
  'PUT_IN',
  'SYNC_PROXY',
  'WATCH_DRAIN',
  'FAIL',
  'ENTER_RESTORE',
  'END',
  'REPLACE',
  'MARK_UNHEALTHY',
  'MARK_FAILING',
  'CLEAN_JOB',
  'OBSERVE',
  'CLEAR_AWAY',
] as const;
export type StepName = (typeof stepNames)[number];

/** What one replica does for all, under a duty instead of a claim. */
export const taskNames = [
  'MARK_HEALTH',
  'START_EDGE',
  'TELL_EDGE',
  'OBTAIN_CERTIFICATE',
  'PUBLISH_ANSWER',
] as const;
export type TaskName = (typeof taskNames)[number];

/** `BEFORE` the effect, after it with nothing `WRITTEN`, and once it is. */
export type Point = `${StepName | TaskName}:${'BEFORE' | 'EFFECT' | 'WRITTEN'}`;

/** A task passes the same points as a step. That its duty is still held is for its effect and its record to see. */
export async function performTask<Seen, Done>(
  { at }: { readonly at: (point: Point) => void },
  name: TaskName,
  effect: () => Promise<Seen>,
  record: (seen: Seen) => Promise<Done>,
): Promise<Done> {
  at(`${name}:BEFORE`);
  const seen = await effect();
  at(`${name}:EFFECT`);
  const done = await record(seen);
  at(`${name}:WRITTEN`);
  return done;
}
