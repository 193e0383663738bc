// A commit as a push leaves it in a world's repository, and the build that is asked for it: what tests of builds begin with.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import { openRepositories } from '../../src/build/git.ts';
import { recordPush } from '../../src/control/pushes.ts';
import { hasEnded } from '../../src/model/jobs.ts';
import { listLastLines } from '../../src/postgres/job-lines.ts';
import { type JobRow, listJobsById } from '../../src/postgres/jobs.ts';
import { git, writeAll } from '../build/pusher.ts';
import { until, type World } from '../support/world.ts';

/** Answers with the build that waits, or is under way already. */
export async function push(
  world: World,
  serviceId: string,
  files: Readonly<Record<string, string>>,
): Promise<JobRow> {
  const repositories = await openRepositories({
    directory: join(world.dataDirectory, 'git'),
    hookSocketPath: join(world.dataDirectory, 'push.sock'),
  });
  await repositories.ensure(serviceId);
  const tree = await mkdtemp(join(tmpdir(), 'berth-pushed-'));
  try {
    await git(tree, 'init', '--quiet', '--initial-branch=main');
    await writeAll(tree, files);
    await git(tree, 'add', '--all', '--force');
    await git(tree, 'commit', '--quiet', '--message', 'A test');
    await git(tree, 'push', '--quiet', '--force', repositories.path(serviceId), 'HEAD:main');
    const sha = await git(tree, 'rev-parse', 'HEAD');
    const wanted = { serviceId, sha, subject: 'A test', pushedBy: undefined };
    const job = await recordPush(world.control, wanted);
    if (job === undefined) throw new Error('no build was asked for');
    return job;
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}

export async function buildNow(world: World, jobId: string): Promise<JobRow> {
  const [job] = await listJobsById(world.control.store.db, [jobId]);
  if (job === undefined) throw new Error(`no job ${jobId}`);
  return job;
}

export function endOfBuild(world: World, jobId: string, boundMs = 60_000): Promise<JobRow> {
  return until(
    'the build ends',
    () => buildNow(world, jobId),
    ({ state }) => hasEnded(state),
    boundMs,
  );
}

export async function buildLogOf(world: World, jobId: string): Promise<string[]> {
  return (await listLastLines(world.control.store.db, jobId, 1_000)).map(({ text }) => text);
}

/** Running containers of a build step, by a word of its command that nobody else uses. */
export async function stepsUnderWay(word: string): Promise<string[]> {
  const running = await new Docker().listContainers();
  return running.filter(({ Command }) => Command.includes(word)).map(({ Id }) => Id);
}
