// How long the certificates that the service proxy's sites are served with are still valid. Those that live for less than a
// month are renewed at shorter notice: they are judged by the share of their life that is left.
import { type Observation, type ObservedState, worst } from '../../model/monitoring/observations.ts';
import { noSettings } from '../settings.ts';
import type { CertificateFacts, PlatformCheckType, ServiceFacts } from './platform-type.ts';

export const expiry: PlatformCheckType = {
  type: 'EXPIRY',
  title: 'Certificates of sites',
  description:
    'For how many days the certificates of the sites are still valid, and whether any has expired.',
  needs: ['CERTIFICATES'],
  thresholds: [{ metric: 'days_left', bad: 'BELOW', warning: 14, critical: 3 }],
  standard: { intervalSeconds: 3_600, timeoutSeconds: 10 },
  schema: noSettings,
  settings: {},
  judge: judgeExpiry,
};

const daySeconds = 86_400;
const shortLifeSeconds = 30 * daySeconds;
const share = { warning: 1 / 4, critical: 1 / 10 };

function judgeExpiry({ certificates }: ServiceFacts): Observation {
  const soonest = certificates.toSorted((a, b) => a.secondsLeft - b.secondsLeft)[0];
  if (soonest === undefined) return { state: 'OK', output: 'No site has a certificate.', metrics: [] };
  const long = certificates.filter((each) => !isShort(each)).map(({ secondsLeft }) => secondsLeft);
  const metrics = long.length === 0 ? [] : [{ name: 'days_left', value: days(Math.min(...long)), unit: '' }];
  const told = certificates.length > 1 ? `, the first of ${certificates.length}` : '';
  const when =
    soonest.secondsLeft <= 0
      ? `expired ${days(-soonest.secondsLeft)} days ago`
      : `is valid for ${days(soonest.secondsLeft)} days`;
  return {
    state: worst(certificates.map(stateOf)),
    output: `The certificate ${soonest.name} ${when}${told}.`,
    metrics,
  };
}

function isShort({ lifeSeconds }: CertificateFacts): boolean {
  return lifeSeconds <= shortLifeSeconds;
}

/** That of long-lived ones is left to the thresholds, unless it is over. */
function stateOf(certificate: CertificateFacts): ObservedState {
  const { secondsLeft, lifeSeconds } = certificate;
  if (secondsLeft <= 0) return 'CRITICAL';
  if (!isShort(certificate)) return 'OK';
  const left = secondsLeft / lifeSeconds;
  return left < share.critical ? 'CRITICAL' : left < share.warning ? 'WARNING' : 'OK';
}

function days(seconds: number): number {
  return Math.round((10 * seconds) / daySeconds) / 10;
}
