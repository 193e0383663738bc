// The runtime contract on Docker Engine, put together from one file per noun. Holds no state of its own but the connection:
// what the engine shows is the truth.

import { buildImage } from './docker-build.ts';
import { openEngine } from './docker-call.ts';
import { findImage, importImage, removeImage } from './docker-images.ts';
import { pullImage } from './docker-pull.ts';
import { EngineFault, type Runtime } from './runtime.ts';

export function openDocker(options: { host: string | undefined; subnetRange: string }): Runtime {
  const engine = openEngine(options.host);
  const later = (): never => {
    throw new EngineFault('later', 'Not here yet.');
  };
  return {
    info: later,
    ensureNetwork: later,
    removeNetwork: later,
    ensureVolume: later,
    removeVolume: later,
    startContainer: later,
    inspectContainer: later,
    stopContainer: later,
    removeContainer: later,
    waitContainer: later,
    inventory: later,
    readLogs: later,
    events: later,
    findImage: (reference) => findImage(engine, reference),
    pullImage: (reference, onProgress, signal) => pullImage(engine, reference, onProgress, signal),
    importImage: (tag, tar, changes) => importImage(engine, tag, tar, changes),
    buildImage: (context, build, onLine, signal) => buildImage(engine, context, build, onLine, signal),
    removeImage: (reference) => removeImage(engine, reference),
    close: () => engine.close(),
  };
}
