// A command run inside a job of the service, by the convention of Nagios and its plugins.
import { z } from 'zod';
import type { Observation } from '../../model/monitoring/observations.ts';
import { readPluginOutput } from '../plugin-output.ts';
import { settingText } from '../settings.ts';
import type { PlatformCheckType, ServiceFacts } from './platform-type.ts';

const schema = z.strictObject({
  /** The argument vector, program first; no shell reads it. */
  command: z
    .array(settingText(4_096))
    .min(1)
    .max(100)
    .refine((command) => command[0] !== '', 'must begin with a program.')
    .default(['true']),
  /** In a job of this worker target; empty: in a deploy job. */
  worker: settingText(100).default(''),
});

export type CommandSettings = Readonly<z.infer<typeof schema>>;

export const command: PlatformCheckType<CommandSettings> = {
  type: 'COMMAND',
  title: 'Command',
  description:
    'A command run inside a job of the service by the Nagios convention: exit code 0 to 3, a text, performance data after |.',
  needs: ['COMMAND'],
  thresholds: [],
  standard: { intervalSeconds: 60, timeoutSeconds: 10 },
  schema,
  settings: schema.parse({}),
  judge: ({ command: facts }: ServiceFacts): Observation => {
    if (facts === undefined) return { state: 'UNKNOWN', output: 'The command was not run.', metrics: [] };
    if ('unknown' in facts) return { state: 'UNKNOWN', output: facts.unknown, metrics: [] };
    return readPluginOutput(facts);
  },
};
