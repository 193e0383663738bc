// The recipes there are, by the image each stands for. A new one is a file here and a line below.
import type { Reference } from '../reference.ts';
import { busybox } from './busybox.ts';
import { haproxy } from './haproxy.ts';
import { mariadb } from './mariadb.ts';
import { memcached } from './memcached.ts';
import { monitoring } from './monitoring.ts';
import { nginx } from './nginx.ts';
import { node } from './node.ts';
import { postgres } from './postgres.ts';
import { python } from './python.ts';
import type { Recipe } from './recipe.ts';
import { redis } from './redis.ts';

const all: readonly Recipe[] = [
  postgres,
  mariadb,
  redis,
  memcached,
  node,
  python,
  nginx,
  haproxy,
  busybox,
  monitoring,
];

const byRepository: ReadonlyMap<string, Recipe> = new Map(
  all.map((recipe) => [`${recipe.ours ? 'berth' : 'library'}/${recipe.name}`, recipe]),
);

/** For an official image, or for `berth/<name>`, which is Berth's own. */
export function findRecipe({
  registry,
  repository,
}: Pick<Reference, 'registry' | 'repository'>): Recipe | undefined {
  return registry === 'docker.io' ? byRepository.get(repository) : undefined;
}
