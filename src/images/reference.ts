// What an image reference asks for, read once: its registry, its repository and which version in which variant. What isn't a
// name is refused here, because an engine that is given a word takes it for an image's id or the beginning of one, too.
// Holds no knowledge of recipes; whether a version can be made here is theirs to say, and whose images may be used is said
// in sources.ts.
import { ImageMissing } from '../runtime/runtime.ts';

export interface Reference {
  /** As it was given; for sentences only. */
  readonly given: string;
  /**
   * In full, so that `postgres:15` and `docker.io/library/postgres:15` are one thing. What the engine is asked for: with a
   * registry in front it can be nothing but a name.
   */
  readonly canonical: string;
  readonly registry: string;
  /** Without the registry, `library/postgres`. */
  readonly repository: string;
  /** Undefined when the image is asked for by its digest. */
  readonly tag: string | undefined;
}

/** `15`, `10.11` or, for the newest there is, an empty version. */
export interface WantedVersion {
  readonly version: string;
}

const officialRegistry = 'docker.io';

/** Tags that name no version: whatever there is answers them. */
const movingTags = new Set(['latest', 'stable', 'lts', 'current', 'mainline']);

/** Builds of one version on another base. A recipe's image stands for all of them. */
const variant = /^(?:slim|alpine(?:\d+\.\d+)?|bookworm|bullseye|trixie|jammy|noble)$/;

const hostPart = '[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?';
const registryName = new RegExp(`^${hostPart}(?:\\.${hostPart})*(?::[0-9]{1,5})?$`);
const pathPart = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const repositoryName = new RegExp(`^${pathPart}(?:/${pathPart})*$`);
const tagName = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const digestName = /^sha256:[0-9a-f]{64}$/;
const longestName = 255;

/** The engine finds images by as little of their id. No official image has a name that could be taken for one. */
const idOrItsBeginning = /^(?:[0-9a-f]{4,64}|sha256:[0-9a-f]*)$/;

/** ImageMissing when it isn't a name: an id, the beginning of one, or nothing that could be either. */
export function parseReference(given: string): Reference {
  if (idOrItsBeginning.test(given))
    throw notAName(given, "is an image's id, or looks like the beginning of one");
  const reference = split(given);
  const { registry, repository, tag, digest } = reference;
  const wellFormed =
    given.length <= longestName &&
    registryName.test(registry) &&
    repositoryName.test(repository) &&
    (tag === undefined || tagName.test(tag)) &&
    (digest === undefined || digestName.test(digest));
  if (!wellFormed) throw notAName(given, "doesn't name an image");
  return reference;
}

function notAName(given: string, what: string): ImageMissing {
  const shown = JSON.stringify(given.slice(0, 80));
  return new ImageMissing(given, `${shown} ${what}. Name it by repository and tag, as in node:24.`);
}

function split(given: string): Reference & { readonly digest: string | undefined } {
  const [named, digest] = splitAt(given, given.indexOf('@'));
  const slash = named.indexOf('/');
  const first = slash < 0 ? '' : named.slice(0, slash);
  const hasRegistry = first.includes('.') || first.includes(':') || first === 'localhost';
  const registry = hasRegistry
    ? first.replace(/^(?:index|registry-1)\.docker\.io$/, officialRegistry)
    : officialRegistry;
  const rest = hasRegistry ? named.slice(slash + 1) : named;
  const [path, tag] = splitAt(rest, rest.indexOf(':'));
  const repository = registry === officialRegistry && !path.includes('/') ? `library/${path}` : path;
  const suffix = digest === undefined ? `:${tag ?? 'latest'}` : `@${digest}`;
  return {
    given,
    canonical: `${registry}/${repository}${suffix}`,
    registry,
    repository,
    tag: digest === undefined ? (tag ?? 'latest') : undefined,
    digest,
  };
}

/** Undefined when the tag asks for something other than a plain version (a beta, a foreign base, a digest). */
export function wantedVersion(reference: Reference): WantedVersion | undefined {
  if (reference.tag === undefined) return undefined;
  const [head, ...variants] = reference.tag.split('-');
  if (!variants.every((part) => variant.test(part))) return undefined;
  if (head === undefined || movingTags.has(head) || variant.test(head)) return { version: '' };
  return /^\d+(?:\.\d+)*$/.test(head) ? { version: head } : undefined;
}

/** `15` is answered by 15.14 and by 15, not by 150. */
export function covers(offered: string, wanted: WantedVersion): boolean {
  return wanted.version === '' || offered === wanted.version || offered.startsWith(`${wanted.version}.`);
}

function splitAt(text: string, index: number): [string, string | undefined] {
  return index < 0 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)];
}
