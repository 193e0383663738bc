// A step that is nothing but a record is written along with the one before it: one transaction less on the way of every
// redeploy. Only what is known at that moment counts; where that isn't enough, the step is decided and begun as any other.
import { nextSteps, type RedeployStep } from '../model/redeploy.ts';
import type { Outcome, Recording, Written } from './deps.ts';
import { recordEnd, recordStartNew, recordVerify } from './redeploy.ts';
import { redeploySituation, type Situation, withWritten } from './situation.ts';
import { recordSwitchPhase } from './switch.ts';

export async function goOn(
  change: Recording,
  situation: Situation,
  written: Written,
  healthySeconds: number,
): Promise<Outcome> {
  const after = withWritten(situation, written);
  const { redeploy, service } = after;
  if (redeploy === undefined || service.deletionRequestedAt !== null) return written;
  for (const step of nextSteps(redeploySituation(after, redeploy, healthySeconds))) {
    const record = recordOf(step);
    if (record === undefined || step.do === 'WAIT' || step.do === 'PUT_IN') continue;
    change.along(step.do);
    const more = await record(change, after);
    return more && { redeploy, ...more, jobs: [...(written.jobs ?? []), ...(more.jobs ?? [])] };
  }
  return written;
}

function recordOf(
  step: RedeployStep,
): ((change: Recording, situation: Situation) => Promise<Outcome>) | undefined {
  switch (step.do) {
    case 'ENTER_START_NEW':
      return (change, situation) => recordStartNew(change, situation, step.wanted);
    case 'ENTER_VERIFY':
      return recordVerify;
    case 'ENTER_SWITCH':
      return recordSwitchPhase;
    case 'END':
      return step.state === 'SUCCEEDED'
        ? (change, situation) => recordEnd(change, situation, step.state)
        : undefined;
    default:
      return undefined;
  }
}
