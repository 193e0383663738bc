// What users say of a check: common fields, and the settings of each type of check in fields of their own.
import type { CheckInput } from '../control/check-fields.ts';
import { checkLimits } from '../model/monitoring/results.ts';
import { builder } from './builder.ts';
import { described } from './described.ts';
import { localId } from './ids.ts';
import { StatusRangeInput } from './maintenance.ts';

const MethodEnum = builder.enumType('HttpCheckMethod', {
  description: 'Method of the request.',
  values: described(['GET', 'HEAD'] as const, { GET: 'With a body.', HEAD: 'Without one.' }),
});

const HttpInput = builder.inputType('HttpCheckInput', {
  description: 'HTTP: one request. Absent fields keep their present or standard value.',
  fields: (t) => ({
    path: t.string({
      required: false,
      description: 'Begins with /; visible ASCII, up to 1,024; / by default.',
    }),
    method: t.field({ type: MethodEnum, required: false, description: 'GET by default.' }),
    hostHeader: t.string({
      required: false,
      description: "Host name told to the server; empty, as by default: the target's own.",
    }),
    expectedStatus: t.field({
      type: StatusRangeInput,
      required: false,
      description: '200 to 399 by default.',
    }),
    contains: t.string({
      required: false,
      description: 'GET: text that must be in the first 64 KiB of the body; up to 1,000 characters.',
    }),
    tls: t.boolean({ required: false, description: 'By HTTPS; false by default.' }),
    authorities: t.string({
      required: false,
      description: "PEM of whom the server's certificate is verified against; empty: it isn't verified.",
    }),
  }),
});

const TcpInput = builder.inputType('TcpCheckInput', {
  description: 'TCP: one connection. Absent fields keep their present or standard value.',
  fields: (t) => ({
    send: t.string({ required: false, description: 'Sent after connecting; up to 4,096 characters.' }),
    expect: t.string({ required: false, description: 'Must be in what comes; up to 1,000 characters.' }),
  }),
});

const CertificateInput = builder.inputType('CertificateCheckInput', {
  description: 'CERTIFICATE: what a TLS server shows. Absent fields keep their present or standard value.',
  fields: (t) => ({
    serverNames: t.stringList({
      required: false,
      description: 'Names asked for, one after the other; up to 50.',
    }),
    authorities: t.string({
      required: false,
      description: "PEM of whom the certificates are verified against; empty: they aren't verified.",
    }),
  }),
});

const CommandInput = builder.inputType('CommandCheckInput', {
  description:
    'COMMAND: run inside a job of the service, as its user and with its variables, by the Nagios convention: exit code 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN; a text, and performance data behind |. Values of variables are taken out of what it says.',
  fields: (t) => ({
    command: t.stringList({
      required: false,
      description: 'Program and arguments, 1 to 100, each up to 4,096 characters; no shell reads them.',
    }),
    worker: t.string({
      required: false,
      description: 'In a job of this worker target; empty, as by default: in a deploy job.',
    }),
  }),
});

const BadEnum = builder.enumType('ThresholdDirection', {
  description: 'Which numbers are bad.',
  values: described(['ABOVE', 'BELOW'] as const, {
    ABOVE: 'Those at or above.',
    BELOW: 'Those at or below.',
  }),
});

const ThresholdInput = builder.inputType('ThresholdInput', {
  description: 'From where on a number that a check measures is not well any more.',
  fields: (t) => ({
    metric: t.string({ description: 'Name of the metric, 1 to 100 visible ASCII characters.' }),
    bad: t.field({ type: BadEnum, description: 'Which numbers are bad.' }),
    warning: t.float({ required: false, description: 'From here on WARNING.' }),
    critical: t.float({ required: false, description: 'From here on CRITICAL.' }),
  }),
});

const { intervalSeconds, platformIntervalSeconds, timeoutSeconds, attempts } = checkLimits;

type Fields = Parameters<Parameters<typeof builder.inputType>[1]['fields']>[0];

/** All but the name, which only a new check must have. */
const common = (t: Fields) => ({
  http: t.field({ type: HttpInput, required: false, description: 'For a check of type HTTP.' }),
  tcp: t.field({ type: TcpInput, required: false, description: 'For a check of type TCP.' }),
  certificate: t.field({
    type: CertificateInput,
    required: false,
    description: 'For a check of type CERTIFICATE.',
  }),
  command: t.field({ type: CommandInput, required: false, description: 'For a check of type COMMAND.' }),
  port: t.int({
    required: false,
    description: "Port of the service's jobs; by default the one of its type.",
  }),
  thresholds: t.field({
    type: [ThresholdInput],
    required: false,
    description: 'Go before those of its type, number by number; at most 20.',
  }),
  intervalSeconds: t.int({
    required: false,
    description: `Between two runs, ${intervalSeconds.minimum} to ${intervalSeconds.maximum}; at least ${platformIntervalSeconds.minimum} where the control plane makes it.`,
  }),
  timeoutSeconds: t.int({
    required: false,
    description: `How long a run may take, ${timeoutSeconds.minimum} to ${timeoutSeconds.maximum}.`,
  }),
  attempts: t.int({
    required: false,
    description: `Results in a row until a state other than OK counts, ${attempts.minimum} to ${attempts.maximum}; ${attempts.standard} by default.`,
  }),
  dependsOn: t.idList({
    required: false,
    description:
      'Checks of the same environment, at most 10: while one of them has an open incident as grave as its own state, this check raises none.',
  }),
  paused: t.boolean({
    required: false,
    description: 'True: it is not made; an open incident of it is closed.',
  }),
});

export const CreateCheckInputRef = builder.inputType('CreateCheckInput', {
  description: 'A new check. Exactly one of `http`, `tcp`, `certificate` and `command` tells its type.',
  fields: (t) => ({
    serviceId: t.id({ description: 'The service it is of.' }),
    name: t.string({ description: 'Unique in its service, 1 to 80 characters.' }),
    ...common(t),
    idempotencyKey: t.string({ required: false, description: 'The same key has one effect.' }),
  }),
});

export const UpdateCheckInputRef = builder.inputType('UpdateCheckInput', {
  description: 'What of a check is to be another. Absent fields keep their value.',
  fields: (t) => ({
    checkId: t.id({ description: 'Which check.' }),
    name: t.string({ required: false, description: 'Unique in its service, 1 to 80 characters.' }),
    ...common(t),
    expectedRevision: t.int({
      required: false,
      description: 'Refused as stale when its revision is another.',
    }),
  }),
});

type Given = Omit<typeof UpdateCheckInputRef.$inferInput, 'checkId' | 'expectedRevision'>;

/** The common fields, with the settings by the type that they are of. */
export function givenCheck(given: Given): CheckInput {
  const { http, tcp, certificate, command, dependsOn, thresholds, ...rest } = given;
  const byType = { HTTP: http, TCP: tcp, CERTIFICATE: certificate, COMMAND: command };
  const told = Object.entries(byType).flatMap(([type, each]) => (each == null ? [] : [[type, plain(each)]]));
  return {
    ...rest,
    thresholds: thresholds?.map((each) => ({
      ...each,
      warning: each.warning ?? null,
      critical: each.critical ?? null,
    })),
    dependsOn: dependsOn?.map((id) => localId('Check', String(id), ['input', 'dependsOn'])),
    settings: Object.fromEntries(told),
  };
}

/** Inputs come without a prototype, which schemas of settings do not take for objects. */
function plain(given: object): Readonly<Record<string, unknown>> {
  const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value != null));
  return JSON.parse(JSON.stringify(present)) as Record<string, unknown>;
}
