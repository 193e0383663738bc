// A clock of this process that is wrong: Date shows another time, while timers and `performance` go on as they do when a
// machine's clock is set.
const RealDate = Date;

/** Runs `work` with a clock that is off by so many milliseconds. */
export async function withClockOff<T>(milliseconds: number, work: () => Promise<T>): Promise<T> {
  globalThis.Date = class extends RealDate {
    constructor(...given: [] | [string | number | Date]) {
      super(given.length === 0 ? RealDate.now() + milliseconds : given[0]);
    }
    static override now(): number {
      return RealDate.now() + milliseconds;
    }
    static override [Symbol.hasInstance](value: unknown): boolean {
      return value instanceof RealDate;
    }
  } as DateConstructor;
  try {
    return await work();
  } finally {
    globalThis.Date = RealDate;
  }
}
