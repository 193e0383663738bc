// What the mutations of checks, incidents and planned maintenance must refuse.
import { type BadInput, badKeys, badNames } from './bad-input.ts';

const v = 'ValidationError';
const conflict = 'ConflictError';
const http = (o: { Service: string }, more: object = {}) => ({
  ...{ serviceId: o.Service, name: 'new', http: {} },
  ...more,
});

/** Ways to say the common fields wrongly. */
function fieldCases(base: (o: { Service: string; Check: string }) => object): BadInput[] {
  const wrong: [string, object][] = [
    ...[0, 65_536].map((port): [string, object] => ['port', { port }]),
    ...[0, 86_401].map((intervalSeconds): [string, object] => ['intervalSeconds', { intervalSeconds }]),
    ...[0, 601].map((timeoutSeconds): [string, object] => ['timeoutSeconds', { timeoutSeconds }]),
    ...[0, 21].map((attempts): [string, object] => ['attempts', { attempts }]),
    ['thresholds.0.metric', { thresholds: [{ metric: '', bad: 'ABOVE' }] }],
    ['thresholds.0.metric', { thresholds: [{ metric: 'a b', bad: 'ABOVE' }] }],
    ['thresholds', { thresholds: Array.from({ length: 21 }, () => ({ metric: 'a', bad: 'BELOW' })) }],
    ['http.path', { http: { path: 'no slash' } }],
    ['http.expectedStatus.to', { http: { expectedStatus: { from: 300, to: 200 } } }],
    ['http.contains', { http: { method: 'HEAD', contains: 'a' } }],
    ['http.authorities', { http: { authorities: 'no PEM' } }],
    ['', { http: {}, tcp: {} }],
    ['', { http: {}, command: { command: ['true'] } }],
    ['command.command', { http: null, command: { command: [] } }],
    ['command.command', { http: null, command: { command: [''] } }],
    ['command.command.1', { http: null, command: { command: ['true', 'a\0b'] } }],
  ];
  return wrong.map(([field, more]): BadInput => [v, field, (o) => ({ ...base(o), ...more })]);
}

export const badChecks: Readonly<Record<string, readonly BadInput[]>> = {
  createCheck: [
    ...badNames((o, name) => http(o, { name })),
    ...fieldCases((o) => http(o)),
    [v, '', (o) => ({ serviceId: o.Service, name: 'new' })],
    [
      v,
      'intervalSeconds',
      (o) => ({ serviceId: o.Service, name: 'new', command: { command: ['true'] }, intervalSeconds: 1 }),
    ],
    [conflict, 'name', (o) => http(o, { name: 'port' })],
    ['NotFoundError', 'dependsOn', (o) => http(o, { dependsOn: [o.elsewhere.Check] })],
    [v, 'dependsOn', (o) => http(o, { dependsOn: Array.from({ length: 11 }, () => o.Check) })],
    [conflict, 'serviceId', (o) => http(o, { serviceId: o.doomedService })],
    ...badKeys((o, idempotencyKey) => http(o, { idempotencyKey })),
  ],
  updateCheck: [
    ...badNames((o, name) => ({ checkId: o.Check, name })),
    ...fieldCases((o) => ({ checkId: o.Check })),
    [v, '', (o) => ({ checkId: o.Check })],
    [v, 'tcp', (o) => ({ checkId: o.Check, tcp: {} })],
    [v, 'name', (o) => ({ checkId: o.builtInCheck, name: 'other' })],
    [v, 'dependsOn', (o) => ({ checkId: o.Check, dependsOn: [o.Check] })],
    [conflict, 'name', (o) => ({ checkId: o.Check, name: 'port' })],
    ['StalePlanError', 'expectedRevision', (o) => ({ checkId: o.Check, paused: true, expectedRevision: 99 })],
    ['NotFoundError', 'checkId', (o) => ({ checkId: o.doomed.Check, paused: true })],
  ],
  deleteCheck: [
    [conflict, 'checkId', (o) => ({ checkId: o.builtInCheck })],
    ['NotFoundError', 'checkId', (o) => ({ checkId: o.doomed.Check })],
  ],
  runCheck: [['NotFoundError', 'checkId', (o) => ({ checkId: o.doomed.Check })]],
  acknowledgeIncident: [
    [v, 'note', (o) => ({ incidentId: o.Incident, note: 'a\0b' })],
    [conflict, 'incidentId', (o) => ({ incidentId: o.endedIncident })],
  ],
  planMaintenance: [
    [v, 'endsAt', (o) => window(o, '2100-01-02T00:00:00Z', '2100-01-01T00:00:00Z')],
    [v, 'endsAt', (o) => window(o, '2100-01-01T00:00:00Z', '2100-03-01T00:00:00Z')],
    [v, 'endsAt', (o) => window(o, '2020-01-01T00:00:00Z', '2020-01-02T00:00:00Z')],
    [v, 'note', (o) => ({ ...window(o), note: 'a\0b' })],
    ['NotFoundError', 'serviceId', (o) => ({ ...window(o), serviceId: o.elsewhere.Service })],
    [conflict, 'environmentId', (o) => window({ Environment: o.doomed.Environment })],
    ...badKeys((o, idempotencyKey) => ({ ...window(o), idempotencyKey })),
  ],
  endMaintenance: [[conflict, 'windowId', (o) => ({ windowId: o.endedWindow })]],
};

export function window(
  { Environment: environmentId }: { Environment: string },
  startsAt = '2100-01-01T00:00:00Z',
  endsAt = '2100-01-02T00:00:00Z',
) {
  return { environmentId, startsAt, endsAt };
}
