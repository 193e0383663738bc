// Images on Docker Engine: finding, importing and removing them. Fetching is in docker-pull.ts, building in
// docker-build.ts. It decides nothing about which image to take.
import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { type Engine, pathOf } from './docker-call.ts';
import { type ProgressEvent, readJsonLines } from './docker-progress.ts';
import { EngineFault, ImageMissing } from './runtime.ts';

export async function findImage(engine: Engine, reference: string): Promise<string | undefined> {
  return (await inspectImage(engine, reference))?.Id;
}

export async function imageTriggers(engine: Engine, imageId: string): Promise<readonly string[]> {
  const image = await inspectImage(engine, imageId);
  if (image === undefined) throw new ImageMissing(imageId, `The engine no longer has the image ${imageId}.`);
  return image.Config?.OnBuild ?? [];
}

function inspectImage(engine: Engine, reference: string): Promise<Docker.ImageInspectInfo | undefined> {
  return engine.askIfThere<Docker.ImageInspectInfo>({
    operation: `inspect image ${reference}`,
    method: 'GET',
    path: pathOf`/images/${reference}/json`,
    deadlineMs: engine.deadlines.look,
  });
}

export async function importImage(
  engine: Engine,
  tag: string,
  tar: Readable,
  changes: readonly string[],
): Promise<string> {
  const operation = `import image ${tag}`;
  const { repository, version } = splitReference(tag);
  const signal = AbortSignal.timeout(engine.deadlines.transfer);
  try {
    const response = await engine.stream(
      {
        operation,
        method: 'POST',
        path: '/images/create',
        query: { fromSrc: '-', repo: repository, tag: version, changes },
        upload: tar,
        deadlineMs: engine.deadlines.transfer,
      },
      signal,
    );
    let imageId: string | undefined;
    for await (const event of readJsonLines<ProgressEvent>(operation, response, engine.deadlines.silence)) {
      if (event.error !== undefined) throw new EngineFault(operation, `${operation}: ${event.error}`);
      if (event.status?.startsWith('sha256:')) imageId = event.status;
    }
    if (imageId === undefined) throw new EngineFault(operation, `${operation}: the engine named no image.`);
    return imageId;
  } finally {
    tar.destroy();
  }
}

/** Takes the tag away, and the image with its last tag. One that is in use stays, and that is an EngineFault (409). */
export async function removeImage(engine: Engine, reference: string): Promise<void> {
  await engine.askIfThere({
    operation: `remove image ${reference}`,
    method: 'DELETE',
    path: pathOf`/images/${reference}`,
    deadlineMs: engine.deadlines.remove,
  });
}

/** `name:version`, where a colon before the last slash is a registry's port; `latest` when there is none. */
export function splitReference(reference: string): { repository: string; version: string } {
  const colon = reference.indexOf(':', reference.lastIndexOf('/') + 1);
  if (colon < 0) return { repository: reference, version: 'latest' };
  return { repository: reference.slice(0, colon), version: reference.slice(colon + 1) };
}
