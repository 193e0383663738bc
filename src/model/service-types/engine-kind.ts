// What a database or cache engine tells the platform about itself. One file per engine beside this one, one line in the
// registry; nothing else names an engine.

export interface Credentials {
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

/** A byte exchange that tells from outside whether the server takes clients. */
export interface Handshake {
  /** Sent after connecting; absent when the server speaks first. */
  readonly request?: Uint8Array;
  readonly accepts: (answer: Uint8Array) => boolean;
}

export interface EngineKind {
  readonly type: 'DATABASE' | 'CACHE';
  /** GraphQL enum value, for example POSTGRESQL. */
  readonly runtime: string;
  /** Key of the check type that talks to it (src/checks/index.ts). */
  readonly check: string;
  readonly title: string;
  /** Offered versions, the default first, each with its registry image. */
  readonly versions: readonly { readonly version: string; readonly image: string }[];
  readonly port: number;
  /** Where the volume is mounted; null when nothing is stored. */
  readonly dataPath: string | null;
  readonly command?: readonly string[];
  readonly tmpfs: Readonly<Record<string, number>>;
  readonly minimumMemoryMiB: number;
  readonly stopGraceSeconds: number;
  readonly handshake: Handshake;
  /** Variables of the engine's own container. */
  readonly ownVariables: (credentials: Credentials) => Record<string, string>;
  /** The address other services use. */
  readonly url: (host: string, credentials: Credentials) => string;
  /** Further variables the first service of this runtime gives to code services, by their customary names. */
  readonly customaryVariables: (host: string, credentials: Credentials) => Record<string, string>;
}

export const mebibyte = 1024 * 1024;

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function startsWith(answer: Uint8Array, text: string): boolean {
  return new TextDecoder('latin1').decode(answer.subarray(0, text.length)) === text;
}
