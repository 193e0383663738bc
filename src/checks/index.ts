// The registry of check types. A new type is one file and one line.
import { certificate } from './certificate.ts';
import type { CheckType } from './check-type.ts';
import { httpAnswer } from './http-answer.ts';
import { memcached } from './memcached.ts';
import { mongodb } from './mongodb.ts';
import { mysql } from './mysql.ts';
import { postgresql } from './postgresql.ts';
import { redis } from './redis.ts';
import { tcpAnswer } from './tcp-answer.ts';

const all: readonly CheckType[] = [
  httpAnswer,
  tcpAnswer,
  certificate,
  postgresql,
  mysql,
  mongodb,
  redis,
  memcached,
];

export const checkTypes: ReadonlyMap<string, CheckType> = new Map(all.map((each) => [each.type, each]));
