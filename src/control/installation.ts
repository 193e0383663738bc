// Facts about the installation itself.
import { withDeadline } from '../postgres/open.ts';
import type { Control } from './control.ts';

export async function databaseVersion({ store }: Control): Promise<string> {
  const [row] = await withDeadline(store, store.raw<{ server_version: string }[]>`show server_version`);
  return row?.server_version ?? 'unknown';
}
