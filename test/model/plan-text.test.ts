// What a plan's hash is made of: each field that a redeploy would bring changes it, whatever the field; what changes
// nothing (another order, another secret of the same value) doesn't. Every field of the spec is tried by itself, so that
// one added to the spec and forgotten here is a failure.
import { expect, test } from 'vitest';
import { compareSpecs, planText, type Spec } from '../../src/model/spec.ts';

/** Everything a spec can hold, nothing null. */
const full: Required<Spec> = {
  image: { kind: 'RELEASE', releaseId: 'r', imageId: 'sha256:1', commit: 'c0ffee' },
  size: { memoryMiB: 64, cpuMillis: 100, storageGiB: 5 },
  scale: 2,
  strategy: 'OVERLAP',
  variables: {
    A: { secretId: 's', digest: '1', source: 'USER' },
    B: { secretId: 't', digest: '2', source: 'AUTOMATIC' },
  },
  commands: { web: 'node web.js', mailer: 'node mailer.js' },
  volume: true,
  dnsName: 'web',
  rollBack: true,
  healthCheck: {
    ...{ kind: 'HTTP', port: 8080, path: '/', expectedStatus: { from: 200, to: 299 }, intervalSeconds: 5 },
    ...{ timeoutSeconds: 2, healthyThreshold: 2, unhealthyThreshold: 3, deadlineSeconds: 60 },
  },
  overlapSeconds: 30,
  proxy: {
    sites: [
      {
        ...{
          id: 'i',
          host: 'a.example',
          serviceId: 's',
          certificateId: 'c',
          corsOrigins: ['https://b.example'],
        },
        limits: { bodyBytes: 1, connectSeconds: 2, sendSeconds: 3, readSeconds: 4 },
      },
    ],
    certificates: ['c'],
  },
};

const catalogue: Spec = {
  ...full,
  image: { kind: 'CATALOGUE', runtime: 'REDIS', version: '8', reference: 'redis:8' },
};

/** Why a field may change without the plan: it never changes by itself, or makes no difference to what is started. */
const without: Readonly<Record<string, string>> = {
  'image.releaseId': 'another release of the same image and commit starts the same',
  'image.runtime': 'told by the reference',
  'image.version': 'told by the reference',
  'variables.A.secretId': 'another secret of the same value',
  'variables.B.secretId': 'another secret of the same value',
  'variables.A.source': 'the same value, whoever set it',
  'variables.B.source': 'the same value, whoever set it',
  volume: 'settled at the creation',
  dnsName: 'settled at the creation',
  'proxy.sites.0.id': 'the same site, made anew',
};

type Tree = Readonly<Record<string, unknown>>;
const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null;

function leaves(tree: Tree, path: readonly string[] = []): string[][] {
  return Object.entries(tree).flatMap(([key, value]) =>
    isTree(value) ? leaves(value, [...path, key]) : [[...path, key]],
  );
}

/** The same with something else at the path; a number grows, a text gets longer, a flag turns. */
function changedAt(tree: Tree, [key = '', ...rest]: readonly string[]): Tree {
  const value = tree[key];
  const other = isTree(value)
    ? changedAt(value, rest)
    : typeof value === 'number'
      ? value + 1
      : typeof value === 'boolean'
        ? !value
        : `${String(value)}x`;
  const changed: unknown = Array.isArray(tree) ? tree.with(Number(key), other) : { ...tree, [key]: other };
  return changed as Tree;
}

/** The same with all keys in the opposite order. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (!isTree(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, each]) => [key, reversed(each)]),
  );
}

const around = { openRedeployId: null, stopped: false, workers: { mailer: 1, clock: 2 } };
const text = (wanted: Spec, running: Spec | undefined = full) => planText(running, wanted, around);

test.each([
  ['a release', full],
  ['an engine of the catalogue', catalogue],
])('every field of the spec of %s changes the plan, and is told as a change', (_what, spec) => {
  // An image of the one kind has other fields than one of the other.
  const paths = leaves(spec as unknown as Tree).filter((path) => path.join('.') !== 'image.kind');
  for (const path of paths) {
    const name = path.join('.');
    const other = changedAt(spec as unknown as Tree, path) as unknown as Spec;
    const same = name in without;
    expect([name, text(other) === text(spec)]).toEqual([name, same]);
    // A rebuilt image of the same commit starts what is the same to a person.
    if (name === 'image.imageId') continue;
    expect([name, compareSpecs(spec, other).length > 0]).toEqual([name, !same]);
    // What runs is part of the decision too.
    if (name !== 'image.imageId')
      expect([name, text(spec, other) === text(spec, spec)]).toEqual([name, same]);
  }
});

test('each exception is of a field that there is', () => {
  const names = [full, catalogue]
    .flatMap((spec) => leaves(spec as unknown as Tree))
    .map((path) => path.join('.'));
  expect(Object.keys(without).filter((name) => !names.includes(name))).toEqual([]);
});

test('what is added or left out changes the plan', () => {
  const { A, ...variables } = full.variables;
  const others: Spec[] = [
    { ...full, variables: variables as Spec['variables'] },
    { ...full, variables: { ...full.variables, C: { secretId: 'u', digest: '1', source: 'USER' } } },
    { ...full, variables: { ...variables, a: A } as Spec['variables'] },
    { ...full, commands: {} },
    { ...full, commands: { ...full.commands, clock: 'node clock.js' } },
    { ...full, size: { ...full.size, storageGiB: null } },
    { ...full, healthCheck: null },
    { ...full, proxy: null },
    { ...full, proxy: { sites: [], certificates: full.proxy?.certificates ?? [] } },
    { ...full, proxy: { sites: full.proxy?.sites ?? [], certificates: [] } },
    catalogue,
  ];
  const texts = [full, ...others].map((spec) => text(spec));
  expect(new Set(texts).size).toBe(texts.length);
  expect(text(full, undefined)).toBe(text(full, full));
  expect(planText(undefined, full, around)).not.toBe(text(full));
});

test('values of one field are never taken for those of another', () => {
  const swapped = { ...full, commands: { web: 'node mailer.js', mailer: 'node web.js' } };
  const digests = Object.entries(full.variables).map(([name, ref]) => [
    name,
    { ...ref, digest: ref.digest === '1' ? '2' : '1' },
  ]);
  const sized = { ...full, size: { ...full.size, memoryMiB: 100, cpuMillis: 64 } };
  const texts = [full, swapped, { ...full, variables: Object.fromEntries(digests) }, sized].map((spec) =>
    text(spec),
  );
  expect(new Set(texts).size).toBe(texts.length);
});

test('an equal spec has an equal plan, in whatever order its fields come and wherever it was kept', () => {
  for (const spec of [full, catalogue]) {
    expect(text(reversed(spec) as Spec)).toBe(text(spec));
    expect(text(spec, reversed(full) as Spec)).toBe(text(spec));
    expect(compareSpecs(spec, reversed(spec) as Spec)).toEqual([]);
    expect(text(JSON.parse(JSON.stringify(spec)))).toBe(text(spec));
  }
  const workers = { clock: 2, mailer: 1 };
  expect(planText(full, full, { ...around, workers })).toBe(text(full));
});
