// What a program of ours consists of, for an image of its own: the sources that its first file leads to, import by import,
// and the packages that these name, with everything those depend on, as they are installed here. Types are no imports.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { addFromDisk, addText, type ImageTree } from './tree.ts';

export interface Program {
  /** Below the root, sorted. */
  readonly sources: readonly string[];
  readonly packages: readonly { readonly path: string; readonly version: string }[];
}

const root = new URL('../../', import.meta.url).pathname;

/** Formatted as they are here, imports are regular enough; the tidy test reads them in the same way. */
const imports = [
  /^\s*(?:import|export)\b(?!\s+type\b)(?:[^;'"]*?\bfrom)?\s*'([^']+)'/gm,
  /\bimport\(\s*'([^']+)'/g,
  // What is begun as a thread or read beside its source.
  /\bnew URL\('([^']+)', import\.meta\.url\)/g,
];
const comments = /^\s*(\/\/|\*|\/\*).*$/gm;

export async function traceProgram(firstFile: string): Promise<Program> {
  const sources = new Set<string>([firstFile]);
  const named = new Set<string>();
  for (const source of sources) {
    if (!source.endsWith('.ts')) continue;
    const text = (await readFile(join(root, source), 'utf8')).replace(comments, '');
    for (const name of imports.flatMap((pattern) =>
      [...text.matchAll(pattern)].map(([, found = '']) => found),
    )) {
      if (name.startsWith('.')) sources.add(join(dirname(source), name));
      else if (!name.startsWith('node:')) named.add(packageOf(name));
    }
  }
  return { sources: [...sources].sort(), packages: await tracePackages([...named]) };
}

/** Changes with whatever of the program changes. */
export async function digestProgram({ sources, packages }: Program): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(packages));
  for (const source of sources) hash.update(`\0${source}\0`).update(await readFile(join(root, source)));
  return hash.digest('hex');
}

/** What of a package no program loads: Node takes no types and no TypeScript from packages. */
const unneeded =
  /\.(?:[cm]?ts|map|md)$|\/node_modules\/(?:@[^/]+\/)?[^@/]+\/(?:docs|examples?|benchmarks?|tests?)$/;

/** With the marker that makes Node take the sources for modules. */
export async function addProgram(tree: ImageTree, folder: string, program: Program): Promise<void> {
  addText(tree, `${folder}/package.json`, '{"type":"module"}\n');
  for (const source of program.sources) await addFromDisk(tree, `${folder}/${source}`, join(root, source));
  for (const { path } of program.packages)
    await addFromDisk(tree, `${folder}/${path}`, join(root, path), unneeded);
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

interface Manifest {
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

async function tracePackages(named: readonly string[]): Promise<Program['packages']> {
  const found = new Map<string, string>();
  const places = new Set(named.map((name) => placeOf(name, '')));
  for (const path of places) {
    const manifest = JSON.parse(await readFile(join(root, path, 'package.json'), 'utf8')) as Manifest;
    found.set(path, manifest.version);
    const { dependencies = {}, optionalDependencies = {}, peerDependencies = {} } = manifest;
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      if (name.startsWith('@types/')) continue;
      const isOptional =
        name in optionalDependencies || manifest.peerDependenciesMeta?.[name]?.optional === true;
      const place = findPlace(name, path);
      if (place !== undefined && !(isOptional && name in peerDependencies)) places.add(place);
      else if (!isOptional) placeOf(name, path);
    }
  }
  return [...found].map(([path, version]) => ({ path, version })).sort((a, b) => (a.path < b.path ? -1 : 1));
}

function placeOf(name: string, from: string): string {
  const place = findPlace(name, from);
  if (place === undefined)
    throw new Error(`The package ${name}, which ${from || 'a source'} needs, is not installed.`);
  return place;
}

/** As Node looks for it: beside the asking package first, then one folder up, and so on. */
function findPlace(name: string, from: string): string | undefined {
  for (let folder = join(root, from); ; folder = dirname(folder)) {
    const place = join(folder, 'node_modules', name);
    if (existsSync(join(place, 'package.json'))) return relative(root, place);
    if (join(folder, '/') === root) return undefined;
  }
}
