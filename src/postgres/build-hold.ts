// Who builds: a session's advisory lock on the build's job, held on a connection of its own. It falls when the process
// dies, and the build is begun again by whoever takes it then.
import { sql } from 'drizzle-orm';
import { connect, type Reader, type Store } from './open.ts';

const lockClass = 7_226_003;

export interface BuildHold {
  release(): Promise<void>;
}

/** `onLost` is called when the connection, and with it the lock, is gone: somebody else may begin the build anew. */
export async function holdBuild(
  store: Store,
  jobId: string,
  onLost: () => void,
): Promise<BuildHold | undefined> {
  const client = connect(store.url, {
    maximum: 1,
    settings: { idle_session_timeout: 0 },
    onEnd: onLost,
    answerWithinMs: store.deadlineMs,
  });
  try {
    const [row] = await client`select pg_try_advisory_lock(${lockClass}, hashtext(${jobId})) as held`;
    if (row?.held === true) return { release: () => client.end({ timeout: 1 }) };
  } catch (error) {
    await client.end({ timeout: 1 });
    throw error;
  }
  await client.end({ timeout: 1 });
  return undefined;
}

/** Of these builds, those that somebody holds: to be left alone until the next look. */
export async function listHeldBuilds(reader: Reader, jobIds: readonly string[]): Promise<Set<string>> {
  if (jobIds.length === 0) return new Set();
  const rows = await reader.execute<{ id: string }>(sql`
    select asked.id from jsonb_array_elements_text(${JSON.stringify(jobIds)}::text::jsonb) as asked(id)
    join pg_locks on locktype = 'advisory' and classid = ${lockClass}::int and objid = hashtext(asked.id)::oid
      and objsubid = 2 and granted and database = (select oid from pg_database where datname = current_database())`);
  return new Set(rows.map(({ id }) => id));
}
