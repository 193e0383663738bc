// What each mutation must refuse, with which typed error at which field. A mutation without a list fails the test.
import type { Furnished } from '../support/furnish.ts';
import { badChecks } from './bad-checks.ts';
import { type BadInput, badKeys, badNames, long } from './bad-input.ts';
import { badRouting } from './bad-routing.ts';
import { badTickets } from './bad-tickets.ts';
import { badWebhooks } from './bad-webhooks.ts';

const v = 'ValidationError';
const conflict = 'ConflictError';
const limit = 'LimitError';
const many = (count: number, value: string) =>
  Array.from({ length: count }, (_, index) => ({ name: `V${index}`, value }));
const past = '2020-01-01T00:00:00Z';

/** Ways to say variables wrongly, wherever variables are given. */
function variableCases(path: string, input: (o: Furnished, variables: object[]) => object): BadInput[] {
  const one = (name: string, value: string) => (o: Furnished) => input(o, [{ name, value }]);
  return [
    [v, `${path}.0.name`, one('', 'a')],
    [v, `${path}.0.name`, one('1A', 'a')],
    [v, `${path}.0.name`, one('A-B', 'a')],
    [v, `${path}.0.name`, one('Ä', 'a')],
    [v, `${path}.0.name`, one('A\0', 'a')],
    [v, `${path}.0.name`, one(long(201), 'a')],
    [conflict, `${path}.0.name`, one('BERTH_SERVICE', 'a')],
    [conflict, `${path}.0.name`, one('PROCFILE_TARGET', 'a')],
    [conflict, `${path}.0.name`, one('PORT', '1')],
    [v, `${path}.0.value`, one('A', 'a\0b')],
    [v, `${path}.0.value`, one('A', '\ud800')],
    [v, `${path}.0.value`, one('A', long(64 * 1024 + 1))],
    [v, `${path}.0.value`, one('A', 'ä'.repeat(32 * 1024 + 1))],
    [v, `${path}.1.name`, (o) => input(o, [...many(1, 'a'), ...many(1, 'b')])],
    [limit, path, (o) => input(o, many(501, 'a'))],
    [limit, path, (o) => input(o, many(17, long(64 * 1024)))],
  ];
}

/** Ways to describe a service wrongly, for one alone and for one of a new environment. */
function serviceCases(at: string, input: (o: Furnished, service: object) => object): BadInput[] {
  const code = (more: object) => (o: Furnished) => input(o, { type: 'CODE', label: 'new', ...more });
  const database = (more: object) => (o: Furnished) =>
    input(o, { type: 'DATABASE', label: 'new', runtime: 'POSTGRESQL', ...more });
  return [
    ...['', 'Shop', '1st', 'a-', 'a b', 'ä', long(41)].map(
      (label): BadInput => [v, `${at}label`, code({ label })],
    ),
    [v, `${at}type`, code({ type: 'SERVICE_PROXY' })],
    [v, `${at}runtime`, code({ runtime: 'REDIS' })],
    [v, `${at}version`, code({ version: '8' })],
    [v, `${at}scale`, code({ scale: -1 })],
    [v, `${at}scale`, code({ scale: 51 })],
    [v, `${at}workerLimit`, code({ workerLimit: 101 })],
    [v, `${at}size.memoryMiB`, code({ size: { memoryMiB: 15 } })],
    [v, `${at}size.memoryMiB`, code({ size: { memoryMiB: 262_145 } })],
    [v, `${at}size.cpuMillis`, code({ size: { cpuMillis: 49 } })],
    [v, `${at}size.storageGiB`, code({ size: { storageGiB: 5 } })],
    [v, `${at}runtime`, database({ runtime: null })],
    [v, `${at}runtime`, database({ runtime: 'REDIS' })],
    [v, `${at}version`, database({ version: '9.6' })],
    [v, `${at}scale`, database({ scale: 2 })],
    [v, `${at}workerLimit`, database({ workerLimit: 1 })],
    [v, `${at}size.memoryMiB`, database({ size: { memoryMiB: 64 } })],
    [v, `${at}size.storageGiB`, database({ size: { storageGiB: 0 } })],
    [v, `${at}size.storageGiB`, database({ storage: false, size: { storageGiB: 5 } })],
    ...variableCases(`${at}variables`, (o, variables) => input(o, { type: 'CODE', label: 'new', variables })),
  ];
}

/** A field of a health check, and one that is wrong there. */
const healthChecks: readonly (readonly [field: string, healthCheck: object])[] = [
  ...[0, 65_536, -1].map((port) => ['port', { port }] as const),
  ...['', 'health', 'http://a/b', '/a b', '/a\0', '/ä', '/\n', `/${long(1_024)}`].map(
    (path) => ['path', { path }] as const,
  ),
  ['path', { kind: 'TCP', path: '/' }],
  ['expectedStatus', { kind: 'TCP', expectedStatus: { from: 200, to: 200 } }],
  ['expectedStatus.from', { expectedStatus: { from: 99, to: 200 } }],
  ['expectedStatus.from', { expectedStatus: { from: 600, to: 600 } }],
  ['expectedStatus.to', { expectedStatus: { from: 200, to: 600 } }],
  ['expectedStatus.to', { expectedStatus: { from: 300, to: 200 } }],
  ...[0, 301].map((intervalSeconds) => ['intervalSeconds', { intervalSeconds }] as const),
  ...[0, 61].map((timeoutSeconds) => ['timeoutSeconds', { timeoutSeconds }] as const),
  ...[0, 11].map((healthyThreshold) => ['healthyThreshold', { healthyThreshold }] as const),
  ...[0, 11].map((unhealthyThreshold) => ['unhealthyThreshold', { unhealthyThreshold }] as const),
  ...[0, 3_601].map((deadlineSeconds) => ['deadlineSeconds', { deadlineSeconds }] as const),
];

const environment = (more: object) => ({ name: 'New', kind: 'SANDBOX', ...more });

export const badInputs: Readonly<Record<string, readonly BadInput[]>> = {
  createEnvironment: [
    ...badNames((_o, name) => environment({ name })),
    [v, 'namespace', () => environment({ namespace: 'Not one' })],
    [conflict, 'namespace', (o) => environment({ namespace: o.namespace })],
    [
      conflict,
      'services.1.label',
      () => environment({ services: [1, 2].map(() => ({ type: 'CODE', label: 'a' })) }),
    ],
    // Kept for the proxy that comes with it.
    [
      conflict,
      'services.1.label',
      () => environment({ services: ['web', 'proxy'].map((label) => ({ type: 'CODE', label })) }),
    ],
    ...serviceCases('services.0.', (_o, service) => environment({ services: [service] })),
    ...badKeys((_o, idempotencyKey) => environment({ idempotencyKey })),
  ],
  renameEnvironment: [
    ...badNames((o, name) => ({ environmentId: o.Environment, name })),
    [
      'StalePlanError',
      'expectedRevision',
      (o) => ({ environmentId: o.Environment, name: 'a', expectedRevision: 99 }),
    ],
    [conflict, 'environmentId', (o) => ({ environmentId: o.doomed.Environment, name: 'a' })],
  ],
  deleteEnvironment: [
    [v, 'confirm', (o) => ({ environmentId: o.Environment, confirm: 'something else' })],
    [
      conflict,
      'environmentId',
      (o) => ({ environmentId: o.doomed.Environment, confirm: o.doomed.namespace }),
    ],
  ],
  createService: [
    [conflict, 'label', (o) => ({ environmentId: o.Environment, type: 'CODE', label: 'web' })],
    [conflict, 'environmentId', (o) => ({ environmentId: o.doomed.Environment, type: 'CODE', label: 'new' })],
    ...serviceCases('', (o, service) => ({ environmentId: o.Environment, ...service })),
    ...badKeys((o, idempotencyKey) => ({
      ...{ environmentId: o.Environment, type: 'CODE', label: 'new', idempotencyKey },
    })),
  ],
  updateService: [
    ...healthChecks.map(
      ([field, healthCheck]): BadInput => [
        v,
        `healthCheck.${field}`,
        (o) => ({ serviceId: o.Service, healthCheck }),
      ],
    ),
    [v, 'healthCheck', (o) => ({ serviceId: o.cache, healthCheck: {} })],
    [v, 'overlapSeconds', (o) => ({ serviceId: o.Service, overlapSeconds: -1 })],
    [v, 'overlapSeconds', (o) => ({ serviceId: o.Service, overlapSeconds: 3_601 })],
    [v, 'overlapSeconds', (o) => ({ serviceId: o.cache, overlapSeconds: 5 })],
    ['ForbiddenError', '-', (o) => ({ serviceId: o.Service, overlapSeconds: 5 }), 'ordinary'],
    ['ForbiddenError', '-', (o) => ({ serviceId: o.Service, overlapSeconds: null }), 'ordinary'],
    [v, '', (o) => ({ serviceId: o.Service })],
    [v, 'label', (o) => ({ serviceId: o.Service, label: 'Not one' })],
    [conflict, 'label', (o) => ({ serviceId: o.Service, label: 'cache' })],
    [v, 'scale', (o) => ({ serviceId: o.Service, scale: 51 })],
    [v, 'size.cpuMillis', (o) => ({ serviceId: o.Service, size: { cpuMillis: 0 } })],
    [v, 'size.memoryMiB', (o) => ({ serviceId: o.cache, size: { memoryMiB: 16 } })],
    [v, 'size.storageGiB', (o) => ({ serviceId: o.cache, size: { storageGiB: 1 } })],
    [v, 'workerLimit', (o) => ({ serviceId: o.cache, workerLimit: 1 })],
    [v, 'workerLimit', (o) => ({ serviceId: o.Service, workerLimit: 101 })],
    [limit, 'workerLimit', (o) => ({ serviceId: o.Service, workerLimit: 0 })],
    ['StalePlanError', 'expectedRevision', (o) => ({ serviceId: o.Service, scale: 2, expectedRevision: 0 })],
    ['ForbiddenError', '-', (o) => ({ serviceId: o.Service, redeployable: false }), 'ordinary'],
    [conflict, 'serviceId', (o) => ({ serviceId: o.doomed.Service, scale: 1 })],
  ],
  stopService: [
    ['NotRedeployableError', '-', (o) => ({ serviceId: o.customized }), 'ordinary'],
    [conflict, 'serviceId', (o) => ({ serviceId: o.doomed.Service })],
  ],
  deleteService: [[v, 'confirm', (o) => ({ serviceId: o.Service, confirm: 'spare' })]],
  deployWorker: [
    ...['', 'web', 'no such', long(41), '-a', 'none'].map(
      (target): BadInput => [v, 'target', (o) => ({ serviceId: o.Service, target, count: 1 })],
    ),
    [conflict, 'target', (o) => ({ serviceId: o.Service, target: 'mailer', count: 1 })],
    [v, 'count', (o) => ({ serviceId: o.Service, target: 'clock', count: 0 })],
    [v, 'count', (o) => ({ serviceId: o.Service, target: 'clock', count: 101 })],
    [limit, 'count', (o) => ({ serviceId: o.Service, target: 'clock', count: 3 })],
    [v, 'serviceId', (o) => ({ serviceId: o.cache, target: 'clock', count: 1 })],
  ],
  scaleWorker: [
    [v, 'target', (o) => ({ serviceId: o.Service, target: 'clock', count: 1 })],
    [v, 'count', (o) => ({ serviceId: o.Service, target: 'mailer', count: -1 })],
    [limit, 'count', (o) => ({ serviceId: o.Service, target: 'mailer', count: 4 })],
  ],
  removeWorker: [[v, 'target', (o) => ({ serviceId: o.Service, target: 'clock' })]],
  setVariables: [
    [v, 'variables', (o) => ({ serviceId: o.Service, variables: [] })],
    [
      ...(['StalePlanError', 'expectedRevision'] as const),
      (o) => ({ serviceId: o.Service, variables: many(1, 'a'), expectedRevision: 0 }),
    ],
    ...variableCases('variables', (o, variables) => ({ serviceId: o.Service, variables })),
  ],
  unsetVariables: [
    [v, 'names', (o) => ({ serviceId: o.Service, names: [] })],
    [v, 'names.1', (o) => ({ serviceId: o.Service, names: ['GREETING', 'MISSING'] })],
    [conflict, 'names.0', (o) => ({ serviceId: o.Service, names: ['PORT'] })],
  ],
  redeployService: [
    [v, 'note', (o) => ({ serviceId: o.Service, note: long(1_001) })],
    [v, 'note', (o) => ({ serviceId: o.Service, note: 'a\0' })],
    [v, 'deadlineSeconds', (o) => ({ serviceId: o.Service, deadlineSeconds: 9 })],
    [v, 'deadlineSeconds', (o) => ({ serviceId: o.Service, deadlineSeconds: 3_601 })],
    ['StalePlanError', 'planHash', (o) => ({ serviceId: o.Service, planHash: 'another' })],
    [conflict, 'serviceId', (o) => ({ serviceId: o.spare })],
    ['NotRedeployableError', '-', (o) => ({ serviceId: o.customized }), 'ordinary'],
    ...badKeys((o, idempotencyKey) => ({ serviceId: o.Service, idempotencyKey })),
  ],
  cancelRedeploy: [[conflict, 'redeployId', (o) => ({ redeployId: o.Redeploy })]],
  runTask: [
    [v, 'command', (o) => ({ serviceId: o.Service, command: [] })],
    [v, 'command', (o) => ({ serviceId: o.Service, command: [''] })],
    [v, 'command', (o) => ({ serviceId: o.Service, command: Array.from({ length: 101 }, () => 'a') })],
    [v, 'command.1', (o) => ({ serviceId: o.Service, command: ['echo', 'a\0'] })],
    [v, 'serviceId', (o) => ({ serviceId: o.cache, command: ['true'] })],
    [conflict, 'serviceId', (o) => ({ serviceId: o.spare, command: ['true'] })],
    ...badKeys((o, idempotencyKey) => ({ serviceId: o.Service, command: ['true'], idempotencyKey })),
  ],
  stopJob: [[conflict, 'jobId', (o) => ({ jobId: o.endedJob })]],
  startJob: [
    [conflict, 'jobId', (o) => ({ jobId: o.Job })],
    [conflict, 'jobId', (o) => ({ jobId: o.build })],
  ],
  ...badRouting,
  ...badTickets,
  ...badChecks,
  ...badWebhooks,
  createToken: [
    ...badNames((_o, name) => ({ name, scopes: ['READ'] })),
    [v, 'scopes', () => ({ name: 'a', scopes: [] })],
    [v, 'expiresAt', () => ({ name: 'a', scopes: ['READ'], expiresAt: past })],
    ['ForbiddenError', '-', () => ({ name: 'a', scopes: ['SECRETS_READ'] }), 'ordinary'],
    ['ForbiddenError', '-', () => ({ name: 'a', scopes: ['READ'], operator: true }), 'ordinary'],
    [
      conflict,
      'environmentId',
      (o) => ({ name: 'a', scopes: ['READ'], environmentId: o.doomed.Environment }),
    ],
    ...badKeys((_o, idempotencyKey) => ({ name: 'a', scopes: ['READ'], idempotencyKey })),
  ],
  revokeToken: [['NotFoundError', 'tokenId', (o) => ({ tokenId: o.doomed.Token.slice(0, -4) })]],
};
