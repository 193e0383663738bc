// The recipes there are, by the name of the official image each stands for. A new one is a file here and a line below.
import { busybox } from './busybox.ts';
import { haproxy } from './haproxy.ts';
import { mariadb } from './mariadb.ts';
import { memcached } from './memcached.ts';
import { nginx } from './nginx.ts';
import { node } from './node.ts';
import { postgres } from './postgres.ts';
import { python } from './python.ts';
import type { Recipe } from './recipe.ts';
import { redis } from './redis.ts';

const all: readonly Recipe[] = [postgres, mariadb, redis, memcached, node, python, nginx, haproxy, busybox];

export const recipes: ReadonlyMap<string, Recipe> = new Map(all.map((recipe) => [recipe.name, recipe]));
