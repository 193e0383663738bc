// Column shapes that many tables share.
import { customType, timestamp } from 'drizzle-orm/pg-core';
import { storable } from '../storable.ts';

/** A moment, to the microsecond, always with its zone. */
export function moment(name: string) {
  return timestamp(name, { withTimezone: true, precision: 6, mode: 'date' });
}

/** Any JSON, which the driver writes as text; what of its text Postgres could not keep is made so that it can. */
export function json<T>(name: string) {
  return customType<{ data: T; driverData: unknown }>({
    dataType: () => 'jsonb',
    codec: 'jsonb',
    toDriver: storable,
  })(name);
}

export const bytea = customType<{ data: Buffer; driverData: Buffer }>({ dataType: () => 'bytea' });
