// Steps that are nothing but a record, or whose effect was had already, are written along with the one before them: one
// transaction less on the way of every redeploy. Only what is known at that moment counts; where that isn't enough, the step
// is decided and begun as any other.
import { nextSteps, type RedeployStep } from '../model/redeploy.ts';
import type { Outcome, Recording, Written } from './deps.ts';
import { recordEnd, recordStartNew, recordVerify } from './redeploy.ts';
import { redeploySituation, type Situation, withWritten } from './situation.ts';
import { recordSwitchPhase } from './switch.ts';
import { recordHealthy } from './verify-job.ts';

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
    const record = recordOf(step, after, written);
    if (record === undefined || step.do === 'WAIT') continue;
    change.along(step.do);
    const more = await record(change, after);
    const jobs = [...(written.jobs ?? []), ...(more?.jobs ?? [])];
    return more && goOn(change, situation, { ...written, redeploy, ...more, jobs }, healthySeconds);
  }
  return written;
}

type Along = (change: Recording, situation: Situation) => Promise<Outcome>;

function recordOf(step: RedeployStep, { jobs }: Situation, { answers }: Written): Along | undefined {
  switch (step.do) {
    case 'ENTER_START_NEW':
      return (change, situation) => recordStartNew(change, situation, step.wanted);
    case 'ENTER_VERIFY':
      return recordVerify;
    case 'VERIFY_JOB': {
      const answer = answers?.[step.jobId];
      const job = jobs.find(({ id }) => id === step.jobId);
      return answer && job && ((change, situation) => recordHealthy(change, situation, job, answer));
    }
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
