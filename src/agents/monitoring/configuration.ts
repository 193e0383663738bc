// What the agent runs: checked as it comes, for nothing else stands between the wire and the checks, and kept in a file, so
// that a restart without the control plane goes on checking. The file holds passwords and is readable for its owner only.
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { InvalidInput } from '../../errors.ts';
import { type Configuration, monitoringAgent } from '../../model/monitoring/agent.ts';

const name = z.string().min(1).max(253);
const limit = z.number().nullable();

const check = z.strictObject({
  id: z.string().min(1).max(200),
  type: name,
  target: z.strictObject({
    host: name,
    port: z.int().min(1).max(65_535),
    user: z.string().max(1_000).exactOptional(),
    password: z.string().max(10_000).exactOptional(),
    database: z.string().max(1_000).exactOptional(),
  }),
  settings: z.record(z.string(), z.unknown()),
  thresholds: z
    .array(z.strictObject({ metric: name, bad: z.enum(['ABOVE', 'BELOW']), warning: limit, critical: limit }))
    .max(100),
  intervalSeconds: z.number().min(1).max(86_400),
  timeoutSeconds: z.number().min(0.1).max(600),
});

const shape: z.ZodType<Configuration> = z.strictObject({
  revision: z.int().min(0),
  checks: z
    .array(check)
    .max(monitoringAgent.mostChecks)
    .refine((checks) => new Set(checks.map(({ id }) => id)).size === checks.length, 'an id is there twice'),
});

/** InvalidInput that names the field and the rule; never the value, which may be a password. */
export function parseConfiguration(text: string): Configuration {
  return valid(shape, parseJson(text));
}

export function valid<T>(type: z.ZodType<T>, given: unknown): T {
  const parsed = type.safeParse(given);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = (issue?.path ?? []).map(String);
  throw new InvalidInput(path, `${path.join('.') || 'The input'}: ${issue?.message ?? 'wrong'}.`);
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InvalidInput([], 'This is no JSON.');
  }
}

const fileName = 'configuration.json';

/** On disk when it answers; the one before it is there until then. */
export async function keepConfiguration(folder: string, configuration: Configuration): Promise<void> {
  const path = join(folder, fileName);
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(JSON.stringify(configuration));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
}

/** Undefined when none was given yet. */
export async function findConfiguration(folder: string): Promise<Configuration | undefined> {
  try {
    return parseConfiguration(await readFile(join(folder, fileName), 'utf8'));
  } catch (fault) {
    if (fault instanceof Error && 'code' in fault && fault.code === 'ENOENT') return undefined;
    throw fault;
  }
}
