// How obtaining a certificate can fail, as data that the platform stores and shows: which host, what the authority itself
// said, and when another try makes sense. Made from problem documents (RFC 7807 as ACME uses them) and from broken requests;
// carries no request, because requests are signed.

export type AcmeFailureKind =
  /** The authority asked these hosts and did not get the answer: DNS, firewall or a site that answers for itself. */
  | 'HOST_NOT_PROVEN'
  | 'RATE_LIMITED'
  /** The authority understood and said no. */
  | 'REFUSED'
  /** No answer in time, or one that says the authority is in trouble. */
  | 'UNREACHABLE'
  /** It answered with something that is no ACME, or with a certificate that isn't what was asked for. */
  | 'BROKEN';

export interface HostFailure {
  readonly host: string;
  /** The authority's own sentence on this host. */
  readonly says: string;
}

interface Particulars {
  readonly says?: string | undefined;
  readonly hosts?: readonly HostFailure[];
  readonly retryAfterSeconds?: number | undefined;
  readonly problem?: string | undefined;
}

export class AcmeFailed extends Error {
  readonly kind: AcmeFailureKind;
  /** The authority's own sentence; undefined when it said nothing. */
  readonly says: string | undefined;
  readonly hosts: readonly HostFailure[];
  /** Before this a new try fails the same way; undefined when the authority named no time. */
  readonly retryAfterSeconds: number | undefined;
  /** The problem's type without the ACME prefix: `rateLimited`, `caa`, `rejectedIdentifier`. */
  readonly problem: string | undefined;
  constructor(kind: AcmeFailureKind, message: string, particulars: Particulars = {}) {
    super(message);
    this.name = 'AcmeFailed';
    this.kind = kind;
    this.says = particulars.says;
    this.hosts = particulars.hosts ?? [];
    this.retryAfterSeconds = particulars.retryAfterSeconds;
    this.problem = particulars.problem;
  }
}

/** What an answer outside 200 to 299 means. */
export function failureOfAnswer(status: number, body: unknown, retryAfter: unknown, now: Date): AcmeFailed {
  const problem = problemType(body);
  const says = sentenceOf(body);
  const hosts = subproblemsOf(body);
  const retryAfterSeconds = secondsOf(retryAfter, now);
  const particulars = { says, hosts, retryAfterSeconds, problem };
  const said = says === undefined ? `with status ${status}` : `: ${says}`;
  if (status === 429 || problem === 'rateLimited') {
    return new AcmeFailed('RATE_LIMITED', `The authority limits how much it does for us${said}`, particulars);
  }
  if (status >= 500) {
    return new AcmeFailed('UNREACHABLE', `The authority is in trouble${said}`, particulars);
  }
  if (status < 400 || (problem === undefined && says === undefined)) {
    const message = `The address answered like no ACME authority, with status ${status}.`;
    return new AcmeFailed('BROKEN', message, particulars);
  }
  return new AcmeFailed('REFUSED', `The authority refused${said}`, particulars);
}

export function hostsNotProven(hosts: readonly HostFailure[]): AcmeFailed {
  const told = hosts.map(({ host, says }) => `${host}: ${says}`).join(' ');
  const says = hosts[0]?.says;
  return new AcmeFailed('HOST_NOT_PROVEN', `The authority could not verify ${told}`, { hosts, says });
}

/** Without the ACME prefix; undefined when the body is no problem document. */
export function problemType(body: unknown): string | undefined {
  const type = field(body, 'type');
  return typeof type === 'string' ? clean(type).replace('urn:ietf:params:acme:error:', '') : undefined;
}

export function sentenceOf(body: unknown): string | undefined {
  const detail = field(body, 'detail');
  return typeof detail === 'string' && detail !== '' ? clean(detail) : undefined;
}

function subproblemsOf(body: unknown): readonly HostFailure[] {
  const list = field(body, 'subproblems');
  if (!Array.isArray(list)) return [];
  return list.slice(0, 100).flatMap((each) => {
    const host = field(field(each, 'identifier'), 'value');
    return typeof host === 'string' ? [{ host: clean(host), says: sentenceOf(each) ?? 'refused' }] : [];
  });
}

/** Seconds or a date, rounded up. */
function secondsOf(retryAfter: unknown, now: Date): number | undefined {
  if (typeof retryAfter !== 'string') return undefined;
  if (/^\d{1,9}$/.test(retryAfter)) return Number(retryAfter);
  const seconds = Math.ceil((Date.parse(retryAfter) - now.getTime()) / 1000);
  return seconds > 0 ? seconds : undefined;
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

/** Text from outside, to be stored and shown: one line, bounded. */
export function clean(text: string): string {
  const line = text.replace(/[\p{Cc}\s]+/gu, ' ').trim();
  return line.length > 500 ? `${line.slice(0, 500)}…` : line;
}
