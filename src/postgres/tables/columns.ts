// Column shapes that many tables share.
import { timestamp } from 'drizzle-orm/pg-core';

/** A moment, to the microsecond, always with its zone. */
export function moment(name: string) {
  return timestamp(name, { withTimezone: true, precision: 6, mode: 'date' });
}
