// How much of its room for data the service's volume takes. Engines don't hold volumes to a size: this check is what tells.
import type { Observation } from '../../model/monitoring/observations.ts';
import { percent } from '../server-look.ts';
import { noSettings } from '../settings.ts';
import type { PlatformCheckType, ServiceFacts } from './platform-type.ts';

export const disk: PlatformCheckType = {
  type: 'DISK',
  title: 'Disk',
  description: 'How much of its room for data the volume of the service takes.',
  needs: ['VOLUME'],
  thresholds: [{ metric: 'disk_used', bad: 'ABOVE', warning: 80, critical: 95 }],
  standard: { intervalSeconds: 300, timeoutSeconds: 60 },
  schema: noSettings,
  settings: {},
  judge: judgeDisk,
};

const gibibyte = 1024 ** 3;

function judgeDisk({ volumeBytes, storageGiB, wanted }: ServiceFacts): Observation {
  if (storageGiB === null) return { state: 'UNKNOWN', output: 'The service has no volume.', metrics: [] };
  if (volumeBytes === undefined)
    return wanted === null
      ? { state: 'OK', output: 'Nothing was deployed yet.', metrics: [] }
      : { state: 'UNKNOWN', output: 'The engine does not tell the size of the volume.', metrics: [] };
  const room = storageGiB * gibibyte;
  const used = { ...percent('disk_used', volumeBytes, room), maximum: undefined };
  return {
    state: 'OK',
    output: `The volume takes ${(volumeBytes / gibibyte).toFixed(2)} of ${storageGiB} GiB, ${used.value} %.`,
    metrics: [used, { name: 'disk', value: volumeBytes, unit: 'B', minimum: 0, maximum: room }],
  };
}
