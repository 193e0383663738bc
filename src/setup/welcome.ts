// What a person sees at the start. On a first run: the token, and a sandbox environment with a small web service, made and
// pushed the way any user would, over HTTP and git, its progress shown live.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config.ts';

interface Started {
  readonly url: string;
  readonly administratorToken: string | undefined;
}

type Say = (line: string) => void;

export async function welcome(config: Config, berth: Started, say: Say): Promise<void> {
  const done = join(config.dataDirectory, 'hello-done');
  const tokenFile = join(config.dataDirectory, 'admin-token');
  if (berth.administratorToken !== undefined) {
    say('');
    say("The administrator's token, shown this once:");
    say('');
    say(`  ${berth.administratorToken}`);
    say('');
    say(`It is kept in ${tokenFile}, readable by you alone.`);
  }
  const isDone = await readFile(done).then(
    () => true,
    () => false,
  );
  if (config.hello && !isDone) {
    const token = (await readFile(tokenFile, 'utf8').catch(() => '')).trim();
    if (token !== '' && (await hello(berth.url, token, say))) await writeFile(done, 'done\n');
  }
  say('');
  say(`Berth is ready:  ${berth.url}/graphql   (health: ${berth.url}/health)`);
  say('Ctrl-C stops Berth and leaves your containers running.');
}

async function hello(url: string, token: string, say: Say): Promise<boolean> {
  try {
    say('');
    say('First run: making the sandbox environment hello with a small web service.');
    const service = await makeEnvironment(url, token);
    say(`Pushing its code to ${service.gitUrl}`);
    await pushSample(service.gitUrl, token);
    return await showNext(url, token, service, say);
  } catch (error) {
    say(`The first environment could not be made: ${error instanceof Error ? error.message : String(error)}`);
    say('Berth runs all the same; it is tried again at the next start (BERTH_HELLO=no leaves it out).');
    return false;
  }
}

interface HelloService {
  readonly id: string;
  readonly gitUrl: string;
}

async function makeEnvironment(url: string, token: string): Promise<HelloService> {
  const found = await ask(url, token, '{ service(namespace: "hello", label: "web") { id gitUrl } }');
  if (found.service) return found.service as HelloService;
  const created = await ask(
    url,
    token,
    `mutation { createEnvironment(input: { name: "hello", namespace: "hello", kind: SANDBOX,
      services: [{ type: CODE, label: "web" }], idempotencyKey: "hello" }) {
      ... on CreateEnvironmentPayload { environment { id } }
      ... on UserError { message }
    } }`,
  );
  const { message } = created.createEnvironment as { message?: string };
  if (message !== undefined) throw new Error(message);
  const made = await ask(url, token, '{ service(namespace: "hello", label: "web") { id gitUrl } }');
  return made.service as HelloService;
}

async function ask(url: string, token: string, query: string): Promise<Record<string, unknown>> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query }),
  });
  const { data, errors } = (await response.json()) as {
    data?: Record<string, unknown>;
    errors?: { message: string }[];
  };
  if (!data || errors?.length) throw new Error(errors?.[0]?.message ?? `HTTP ${response.status}`);
  return data;
}

const sample = {
  'package.json': JSON.stringify(
    { name: 'hello', private: true, scripts: { start: 'node server.js' } },
    null,
    2,
  ),
  'server.js': `const { createServer } = require('node:http');

createServer((request, response) => {
  response.end('Hello from Berth. ' + (process.env.GREETING ?? 'Set GREETING and redeploy to change this.') + '\\n');
}).listen(process.env.PORT, () => console.log('listening on ' + process.env.PORT));

setInterval(() => console.log('still here'), 60000);
`,
};

/** The token goes by the environment, never by an argument, where other users of the machine could read it. */
async function pushSample(gitUrl: string, token: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-hello-'));
  try {
    for (const [name, text] of Object.entries(sample)) await writeFile(join(folder, name), text);
    const basic = Buffer.from(`berth:${token}`).toString('base64');
    const environment = {
      ...process.env,
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: `http.${gitUrl}.extraHeader`,
      GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
      GIT_TERMINAL_PROMPT: '0',
    };
    const who = ['-c', 'user.name=Berth', '-c', 'user.email=berth@localhost', '-c', 'commit.gpgSign=false'];
    await git(['init', '--quiet', '--initial-branch=main'], folder, environment);
    await git(['add', '--all'], folder, environment);
    await git([...who, 'commit', '--quiet', '--message=Say hello'], folder, environment);
    await git(['push', '--force', gitUrl, 'main'], folder, environment);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function git(args: readonly string[], folder: string, environment: NodeJS.ProcessEnv): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('git', [...args], {
      cwd: folder,
      env: environment,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0
        ? resolve()
        : reject(new Error(`git ${args.find((a) => !a.startsWith('-'))} ended with code ${code}.`)),
    );
  });
}

const proxyPatienceMs = 60_000;

/** On a first run the proxy's image may still be in the making. */
async function proxyServes(url: string, token: string): Promise<boolean> {
  const query =
    '{ environment(namespace: "hello") { services(first: 1, type: SERVICE_PROXY) { nodes { status } } } }';
  for (const end = performance.now() + proxyPatienceMs; performance.now() < end; await sleep(500)) {
    const { environment } = await ask(url, token, query);
    const { services } = environment as { services: { nodes: { status: string }[] } };
    if (services.nodes.every(({ status }) => status === 'HEALTHY')) return true;
  }
  return false;
}

/** Whether the service came up; a first build that fails is pushed again at the next start. */
async function showNext(url: string, token: string, service: HelloService, say: Say): Promise<boolean> {
  const served = await proxyServes(url, token);
  const seen = await ask(
    url,
    token,
    '{ service(namespace: "hello", label: "web") { status environment { id publicUrl } } }',
  );
  const { status, environment } = seen.service as {
    status: string;
    environment: { id: string; publicUrl: string | null };
  };
  say('');
  const where = served && environment.publicUrl !== null ? ` See it: ${environment.publicUrl}` : '';
  say(`The service web is ${status}.${where}`);
  const isUp = status === 'HEALTHY';
  if (!isUp) say('Its push says above what went wrong; it is tried again at the next start.');
  say('');
  say(
    `Open ${url}/graphql, put your token into the headers editor, {"Authorization": "Bearer berth_…"}, and paste:`,
  );
  say('');
  const { query, subscription, mutation } = documentsToPaste({
    environmentId: environment.id,
    serviceId: service.id,
  });
  const show = (document: string) => say(document.replaceAll(/^/gm, '  '));
  show(query);
  say('');
  say('and, to watch everything live:');
  say('');
  show(subscription);
  say('');
  say('then redeploy, and see it happen:');
  say('');
  show(mutation);
  return isUp;
}

/** Each of two lines, for an editor. */
export function documentsToPaste({
  environmentId,
  serviceId,
}: {
  readonly environmentId: string;
  readonly serviceId: string;
}) {
  return {
    query: `query { service(namespace: "hello", label: "web") {
  id status hasPendingChanges jobs(first: 5) { nodes { type state health } } } }`,
    subscription: `subscription { environmentEvents(environmentId: "${environmentId}") {
  __typename ... on Event { type message occurredAt } } }`,
    mutation: `mutation { redeployService(input: { serviceId: "${serviceId}" }) {
  ... on RedeployServicePayload { redeploy { id state } } ... on UserError { message } } }`,
  };
}
