// Who builds: a session's advisory lock on the build's job, held on a connection of its own. It falls when the process
// dies, and the build is begun again by whoever takes it then.
import { connect, type Store } from './open.ts';

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
