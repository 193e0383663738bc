// Files written into a container by the engine's archive API: it works with an engine on another machine and before the
// container has started. The folders they need are made with them, owned by the same user. With a read-only root the engine
// takes files for a volume only, and wants to be asked at the volume's own path.
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import { type Engine, pathOf } from './docker-call.ts';
import { inspectContainer } from './docker-containers.ts';
import { type ContainerFile, EngineFault } from './runtime.ts';

export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

export const root: FileOwner = { uid: 0, gid: 0 };

export async function putFiles(
  engine: Engine,
  name: string,
  installation: string,
  files: readonly ContainerFile[],
  owner: FileOwner,
): Promise<void> {
  const found = await inspectContainer(engine, name, installation);
  if (found === undefined)
    throw new EngineFault(
      `write files to ${name}`,
      `write files to ${name}: there is no such container.`,
      404,
    );
  await writeFiles(engine, name, found.id, files, owner);
}

export async function writeFiles(
  engine: Engine,
  name: string,
  id: string,
  files: readonly ContainerFile[],
  owner: FileOwner,
  within = '/',
): Promise<void> {
  await engine.ask({
    operation: `write files to ${name}`,
    method: 'PUT',
    path: pathOf`/containers/${id}/archive`,
    query: { path: within },
    upload: archive(
      files.map((file) => ({ ...file, path: posix.relative(within, file.path) })),
      owner,
    ),
    deadlineMs: engine.deadlines.change,
  });
}

function archive(files: readonly ContainerFile[], owner: FileOwner): Readable {
  const tar = pack();
  const folders = new Set(files.map((file) => posix.dirname(file.path)));
  for (const folder of [...folders].sort())
    if (folder !== '.') tar.entry({ name: folder, type: 'directory', mode: 0o755, ...owner });
  for (const { path, content, mode } of files)
    tar.entry({ name: path, mode, ...owner, mtime: new Date() }, content);
  tar.finalize();
  return Readable.from(tar);
}
