// Whose images may be used. A reference comes from whoever pushes a Dockerfile, while the engine's images are everybody's:
// other tenants' releases, the host owner's own, what was fetched with somebody's credentials. The engine doesn't tell which
// of them are public: a local build and an import bear the same kind of name as a pulled image, and a pulled one doesn't say
// whether a password was needed. So the default is no, and there are two proofs that an image is anybody's: its name is one
// of those below, or its registry has just given it to the engine, which asks without credentials. Registries are a fixed
// list, too, because asking an address of the pusher's choice would send the engine into the host's own networks.
import { ImageMissing } from '../runtime/runtime.ts';
import type { Reference } from './reference.ts';

/** Registries the engine may be sent to. */
const registries = new Set(['docker.io', 'ghcr.io', 'quay.io', 'mcr.microsoft.com', 'public.ecr.aws']);

/** What Berth names its own images: releases, what recipes made, and its own programs, which no build is for. */
const ownNames = /^berth(?:-[a-z0-9-]+)?\//;

/**
 * Repositories of Docker's registry that are public and whose names nobody gives to something of his own, so that one of
 * them may be loaded on an engine that reaches no registry. Whoever loads another image under such a name offers it to all.
 */
const publicRepositories = new Set([
  ...official(
    'almalinux alpine amazoncorretto busybox caddy clojure composer debian eclipse-temurin elixir erlang',
  ),
  ...official(
    'fedora gcc golang gradle haproxy haskell httpd julia mariadb maven memcached mongo mysql nginx node',
  ),
  ...official('openjdk perl php postgres python redis rockylinux ruby rust swift tomcat ubuntu'),
  'valkey/valkey',
]);

function official(names: string): readonly string[] {
  return names.split(' ').map((name) => `library/${name}`);
}

/** ImageMissing, before anybody is asked, for what is no pusher's to use. */
export function checkSource(reference: Reference): void {
  const { given, registry, repository } = reference;
  if (ownNames.test(repository))
    throw new ImageMissing(
      given,
      `The image ${given} is Berth's own, of a release or a service. Use the image that it was made from.`,
    );
  if (!registries.has(registry))
    throw new ImageMissing(
      given,
      `The image ${given} is of the registry ${registry}, which isn't one that images are taken from: ${[...registries].join(', ')}.`,
    );
}

/** Whether the engine's image of this name may be used without asking its registry. */
export function isPublicByName({
  registry,
  repository,
}: Pick<Reference, 'registry' | 'repository'>): boolean {
  return registry === 'docker.io' && publicRepositories.has(repository);
}
