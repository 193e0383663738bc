// The stream of check results of an environment, by subscription and by query.
import type { Caller } from '../model/callers.ts';
import type { ObservedState } from '../model/monitoring/observations.ts';
import type { ResultRow } from '../postgres/result-log.ts';
import type { Control } from './control.ts';
import { environmentSelection } from './event-stream.ts';
import type { Selection, StreamItem } from './numbered-stream.ts';

export type { ResultRow };
export type ResultItem = StreamItem<ResultRow>;

export interface ResultFilter {
  readonly serviceId?: string | undefined;
  readonly checkId?: string | undefined;
  readonly states?: readonly ObservedState[] | undefined;
  readonly after?: string | null | undefined;
}

export async function resultSelection(
  control: Control,
  caller: Caller,
  environmentId: string,
  { serviceId, checkId, states, after }: ResultFilter,
  begin: 'NOW' | 'FIRST',
): Promise<Selection<ResultRow, string>> {
  const { ended } = await environmentSelection(control, caller, environmentId);
  return {
    ...{ log: control.results, cursors: 'RESULTS', environmentId, ended, after, begin },
    wants: (row) =>
      (serviceId === undefined || row.serviceId === serviceId) &&
      (checkId === undefined || row.checkId === checkId) &&
      (states === undefined || states.includes(row.state)),
  };
}
