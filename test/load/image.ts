// The image of app.ts: the platform's Node base and the one file. Belongs to the installation whose label it bears.
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { PassThrough, pipeline } from 'node:stream';
import { pack } from 'tar-stream';
import { openImages } from '../../src/images/obtain.ts';
import { openDocker } from '../../src/runtime/docker.ts';
import { labels, type Runtime } from '../../src/runtime/runtime.ts';
import { cacheDirectory } from '../images/hardened.ts';

const appFile = new URL('./app.ts', import.meta.url);
const mebibyte = 1024 * 1024;
const patienceMs = 240_000;

/** How its containers are started. */
export const appCommand = 'exec node /app.ts';

export function buildAppImage(installation: string): Promise<string> {
  return withRuntime(async (runtime) => {
    const base = await obtainBy(runtime, 'docker.io/library/node:24');
    const name = basename(appFile.pathname);
    const context = pack();
    context.entry({ name: 'Dockerfile' }, `FROM ${base}\nCOPY ${name} /${name}\n`);
    context.entry({ name }, await readFile(appFile));
    context.finalize();
    return runtime.buildImage(
      pipeline(context, new PassThrough(), () => {}),
      {
        tag: `berth-load-${installation}:1`,
        labels: { [labels.installation]: installation },
        memoryBytes: 256 * mebibyte,
        cpuMillis: 1_000,
        dockerfile: 'Dockerfile',
        buildArgs: {},
      },
      () => {},
      AbortSignal.timeout(patienceMs),
    );
  });
}

/** The platform's own way to an image: present, pulled or made. */
export function obtain(reference: string): Promise<string> {
  return withRuntime((runtime) => obtainBy(runtime, reference));
}

async function obtainBy(runtime: Runtime, reference: string): Promise<string> {
  const images = openImages(runtime, { cacheDirectory });
  return (await images.obtain(reference, () => {}, AbortSignal.timeout(patienceMs))).imageId;
}

async function withRuntime<T>(work: (runtime: Runtime) => Promise<T>): Promise<T> {
  const runtime = openDocker({ host: undefined, subnetRange: '10.211.0.0/16' });
  try {
    return await work(runtime);
  } finally {
    runtime.close();
  }
}
