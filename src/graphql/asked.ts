// What is asked of the items of a page, told from the document: where a few fields are all, their rows are read short.
import { type GraphQLResolveInfo, Kind, type SelectionSetNode } from 'graphql';

/** Fields that need no more than a brief row (postgres/services.ts, postgres/jobs.ts), or its id alone. */
export const briefFields = {
  Service: new Set([
    ...[
      '__typename',
      'id',
      'environment',
      'type',
      'runtime',
      'version',
      'label',
      'dnsName',
      'scale',
      'gitUrl',
    ],
    ...['workers', 'revision', 'createdAt', 'variables', 'jobs', 'redeploys', 'activeRedeploy', 'releases'],
  ]),
  Job: new Set([
    ...['__typename', 'id', 'service', 'type', 'target', 'state', 'health', 'rotation', 'containerName'],
    'createdAt',
  ]),
} as const satisfies Record<string, ReadonlySet<string>>;

type Level = 'PAGE' | 'EDGE' | 'ITEM';

const below: Readonly<Record<Level, Readonly<Record<string, Level>>>> = {
  PAGE: { nodes: 'ITEM', edges: 'EDGE' },
  EDGE: { node: 'ITEM' },
  ITEM: {},
};

/** Whether nothing but these fields is asked of the items of the page that `info` is of. */
export function asksOnly(info: GraphQLResolveInfo, fields: ReadonlySet<string>): boolean {
  // A fragment that is spread in many places is looked at once.
  const seen = new Set<string>();
  function within(set: SelectionSetNode | undefined, level: Level): boolean {
    return (set?.selections ?? []).every((selection) => {
      if (selection.kind === Kind.INLINE_FRAGMENT) return within(selection.selectionSet, level);
      const name = selection.name.value;
      if (selection.kind === Kind.FRAGMENT_SPREAD) {
        const again = seen.has(`${level} ${name}`);
        seen.add(`${level} ${name}`);
        return again || within(info.fragments[name]?.selectionSet, level);
      }
      if (level === 'ITEM') return fields.has(name);
      const next = below[level][name];
      return next === undefined || within(selection.selectionSet, next);
    });
  }
  return info.fieldNodes.every((node) => within(node.selectionSet, 'PAGE'));
}
