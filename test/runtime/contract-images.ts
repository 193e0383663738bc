// Images: made from a tar stream, built within limits, and missing where they can't be had.
import { PassThrough, pipeline, type Readable } from 'node:stream';
import { pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { BuildFailed, type BuildOptions, ImageMissing } from '../../src/runtime/runtime.ts';
import { busyboxChanges, busyboxTar } from '../support/busybox.ts';
import { labelsOf, outputOf, runToEnd, uniqueName, type World } from './world.ts';

const never = new AbortController().signal;

function contextOf(dockerfile: string, name = 'Dockerfile'): Readable {
  const tar = pack();
  tar.entry({ name }, dockerfile);
  tar.finalize();
  return pipeline(tar, new PassThrough(), () => {});
}

function buildOf(world: World, changes: Partial<BuildOptions> = {}): BuildOptions {
  const name = uniqueName('built');
  return {
    tag: `${name}:1`,
    labels: labelsOf(world.installation, name),
    memoryBytes: 64 * 1024 * 1024,
    cpuMillis: 1000,
    dockerfile: 'Dockerfile',
    buildArgs: {},
    ...changes,
  };
}

async function newBase(world: World): Promise<string> {
  const tag = `${uniqueName('base')}:1`;
  const label = `LABEL berth.installation=${world.installation}`;
  await world.runtime.importImage(tag, await busyboxTar(), [...busyboxChanges, label]);
  return tag;
}

export function imageContract(world: () => World): void {
  describe('images', () => {
    it('one is built with its arguments, tells its output, runs by its id, and can be removed', async () => {
      const { runtime } = world();
      const base = await newBase(world());
      const options = buildOf(world(), { buildArgs: { GREETING: 'grüße $x' }, dockerfile: 'other.file' });
      const recipe = `FROM ${base}\nARG GREETING\nRUN echo "$GREETING"; echo "$GREETING" > /told\nCMD ["cat", "/told"]\n`;
      const lines: string[] = [];
      const put = (line: string) => lines.push(line);
      const imageId = await runtime.buildImage(contextOf(recipe, 'other.file'), options, put, never);
      expect(lines).toContain('grüße $x');
      expect(await runtime.findImage(options.tag)).toBe(imageId);
      const view = await runToEnd(world(), '', { imageId, command: ['cat', '/told'] });
      expect(view.imageId).toBe(imageId);
      expect(await outputOf(world(), view.name)).toBe('grüße $x');
      await runtime.removeContainer(view.name, world().installation);
      await runtime.removeImage(options.tag);
      await runtime.removeImage(options.tag);
      expect(await runtime.findImage(options.tag)).toBeUndefined();
    });

    it('what an image brings into every build on top of it is told', async () => {
      const { runtime } = world();
      const base = await newBase(world());
      const options = buildOf(world());
      const recipe = `FROM ${base}\nONBUILD RUN echo surprise\nONBUILD COPY --from=other / /\n`;
      const imageId = await runtime.buildImage(contextOf(recipe), options, () => {}, never);
      expect(await runtime.imageTriggers(imageId)).toEqual(['RUN echo surprise', 'COPY --from=other / /']);
      expect(await runtime.imageTriggers((await runtime.findImage(base)) ?? '')).toEqual([]);
      await runtime.removeImage(options.tag);
    });

    it.each([
      ['a failing step', 'RUN echo before; exit 3', 'exit 3'],
      [
        'a step that takes more memory than allowed',
        'RUN dd if=/dev/zero of=/dev/null bs=300M count=1',
        '137',
      ],
      ['an unknown instruction', 'NONSENSE', 'NONSENSE'],
    ])('%s is the build’s own fault', async (_, step, said) => {
      const base = await newBase(world());
      const failure = world().runtime.buildImage(
        contextOf(`FROM ${base}\n${step}\n`),
        buildOf(world()),
        () => {},
        never,
      );
      await expect(failure).rejects.toThrow(BuildFailed);
      await expect(failure).rejects.toThrow(said);
    });

    it('a build stops when the signal fires', async () => {
      const base = await newBase(world());
      const stop = new AbortController();
      const onLine = (line: string) => line.includes('under way') && stop.abort(new Error('enough'));
      const recipe = `FROM ${base}\nRUN echo under way; sleep 60\n`;
      const build = world().runtime.buildImage(contextOf(recipe), buildOf(world()), onLine, stop.signal);
      await expect(build).rejects.toThrow('enough');
    });

    it('a registry that cannot be reached is ImageMissing, soon', async () => {
      const pull = world().runtime.pullImage(
        'registry.invalid/none:1',
        () => {},
        AbortSignal.timeout(20_000),
      );
      await expect(pull).rejects.toThrow(ImageMissing);
      await expect(pull).rejects.toThrow('registry.invalid/none:1');
    });
  });
}
