// Every refusal Berth can give, with a code and a human sentence made where the refusal happens. Translated once, at the
// edge (src/graphql/errors.ts, src/http). Anything that isn't a Refusal is a fault: hidden from clients, logged once.

export type ErrorCode =
  | 'INVALID'
  | 'NOT_FOUND'
  | 'FORBIDDEN'
  | 'CONFLICT'
  | 'STALE'
  | 'LIMIT'
  | 'NOT_REDEPLOYABLE'
  | 'UNAVAILABLE';

/** What stands in the way or is spoken of, as a node that the API can load. */
export interface NodeRef {
  readonly type: string;
  readonly id: string;
}

/**
 * A refusal with a sentence a person can act on. `inputPath` names the input field, outermost first; empty when none. It is
 * not called `path`, because graphql-js takes an error with a list of that name for one that says already where it arose.
 */
export class Refusal extends Error {
  readonly code: ErrorCode;
  readonly inputPath: readonly string[];
  constructor(code: ErrorCode, message: string, path: readonly string[] = []) {
    super(message);
    this.name = 'Refusal';
    this.code = code;
    this.inputPath = path;
  }
}

/** The input breaks a rule that the message names. */
export class InvalidInput extends Refusal {
  constructor(path: readonly string[], message: string) {
    super('INVALID', message, path);
  }
}

/** Nothing with this id that the caller may see; unknown and forbidden ids are told apart by nothing. */
export class NotFound extends Refusal {
  constructor(what: string, path: readonly string[] = []) {
    super(
      'NOT_FOUND',
      `No ${what} with this id is visible to you. Check the id and the token you use.`,
      path,
    );
  }
}

/** The caller is known and sees the thing, but its token may not do this. */
export class Forbidden extends Refusal {
  constructor(message: string) {
    super('FORBIDDEN', message);
  }
}

/** Something that exists or is under way stands in the way. */
export class Conflict extends Refusal {
  readonly with: NodeRef | undefined;
  constructor(message: string, path: readonly string[] = [], inTheWay?: NodeRef) {
    super('CONFLICT', message, path);
    this.with = inTheWay;
  }
}

/** The caller decided on something (a plan, a revision) that has changed since. */
export class Stale extends Refusal {
  constructor(message: string, path: readonly string[]) {
    super('STALE', message, path);
  }
}

/** A counted limit would be passed. */
export class LimitReached extends Refusal {
  readonly limit: number;
  readonly current: number;
  constructor(message: string, path: readonly string[], limit: number, current: number) {
    super('LIMIT', message, path);
    this.limit = limit;
    this.current = current;
  }
}

/** The service carries a customization or is operated by the platform; only the support side may replace its jobs. */
export class NotRedeployable extends Refusal {
  readonly serviceId: string;
  constructor(serviceId: string, message: string) {
    super('NOT_REDEPLOYABLE', message);
    this.serviceId = serviceId;
  }
}

/** A part that is needed (engine, database) doesn't answer; trying again later may help. */
export class Unavailable extends Refusal {
  constructor(message: string) {
    super('UNAVAILABLE', message);
  }
}
