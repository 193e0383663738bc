// The monitoring service's container: the Node that runs Berth and the agent's sources with what they import, taken from
// here. So it is always the agent that this Berth speaks with, and no registry has it.
import { monitoringAgent } from '../../model/monitoring/agent.ts';
import { addHostProgram } from '../closure.ts';
import { addProgram, digestProgram, traceProgram } from '../program.ts';
import { nothing, type Recipe } from './recipe.ts';

const { node: version } = process.versions;
const { userId, dataPath, port } = monitoringAgent;
const folder = '/opt/berth';
const firstFile = 'src/agents/monitoring/main.ts';

export const monitoring: Recipe = {
  name: 'monitoring',
  ours: true,
  madeFrom: "Berth's own sources",
  packages: [],
  take: nothing,
  version: { fixed: version },
  keep: [],
  leave: nothing,
  links: {},
  user: { name: 'berth', uid: userId, gid: userId, home: dataPath },
  folders: [{ path: dataPath, mode: 0o700, own: true }],
  files: [],
  config: {
    // Names are looked up by threads, each of which a name server that doesn't answer holds for seconds.
    environment: { NODE_ENV: 'production', UV_THREADPOOL_SIZE: '32' },
    entrypoint: ['node'],
    command: [`${folder}/${firstFile}`],
    folder: '/',
    port,
  },
  inputs: async () => [version, await digestProgram(await traceProgram(firstFile))],
  extra: {
    revision: 1,
    async add(tree) {
      await addHostProgram(tree, '/usr/local/bin/node', process.execPath);
      await addProgram(tree, folder, await traceProgram(firstFile));
    },
  },
};
