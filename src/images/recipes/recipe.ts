// What a recipe is: data that says which Debian packages an image is made of, which of their files it keeps, and how it
// starts. How it is made stands in ../make.ts; a recipe with something of its own to add does so in `extra`.
import type { ImageTree } from '../tree.ts';

export interface Owner {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

export interface Folder {
  readonly path: string;
  readonly mode: number;
  /** The recipe's user when true, else root. A fresh named volume takes the owner over. */
  readonly own: boolean;
}

export interface TextFile {
  readonly path: string;
  readonly text: string;
  readonly mode: number;
  readonly own?: boolean;
}

export interface ImageConfig {
  readonly environment: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly folder: string;
  readonly port?: number;
  /** The image's user is the recipe's own; a base for builds runs as root like the official one. */
  readonly asRoot?: boolean;
}

/** A step of the recipe's own. Its code isn't seen by the hash in the tag: raise the revision when its outcome changes. */
export interface Extra {
  readonly revision: number;
  readonly add: (tree: ImageTree, unpacked: string) => Promise<void>;
}

export interface Recipe {
  /** The official image's name, which is also the registry key: `postgres`. */
  readonly name: string;
  /** Berth's own, of which there is no official image: asked for as `berth/<name>`, and no registry is asked. */
  readonly ours?: boolean;
  /** For the progress text: "making postgres 15 from …". */
  readonly madeFrom: string;
  /** Asked of the package manager; what they depend on is looked up there. */
  readonly packages: readonly string[];
  /** Besides libraries, the packages whose files are needed. */
  readonly take: RegExp;
  /** What the image offers: the version of the package that matches, or a fixed one. */
  readonly version: { readonly ofPackage: RegExp } | { readonly fixed: string };
  /** Globs below the unpacked root. Folders are kept whole; libraries follow by themselves. */
  readonly keep: readonly string[];
  /** What of the kept paths is left out. */
  readonly leave: RegExp;
  /** Link path → target. */
  readonly links: Readonly<Record<string, string>>;
  /** Every file of this glob is put on the PATH. */
  readonly onPath?: string;
  readonly user: Owner | undefined;
  readonly folders: readonly Folder[];
  readonly files: readonly TextFile[];
  readonly config: ImageConfig;
  /** Things beyond packages that change the image; they become part of its tag. */
  readonly inputs?: () => Promise<readonly string[]>;
  readonly extra?: Extra;
}

/** Matches no path and no package. */
export const nothing = /^$/;
