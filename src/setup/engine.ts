// Makes sure that a Docker Engine answers before anything else is opened. One that answers is used as it is. Otherwise, on
// Debian or Ubuntu as root or with passwordless sudo, it is installed and started here, and every step is said first. What
// it does with containers is src/runtime's; this knows no more of the engine than its ping.
import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { Unavailable } from '../errors.ts';
import { withMachineLock } from '../machine-lock.ts';
import { installPackages, isDebian } from './debian.ts';
import { type Administrator, asAdministrator, findAdministrator } from './engine-administrator.ts';
import { type Answer, ping } from './engine-ping.ts';
import { engineLog, enginePid, launchEngine } from './engine-process.ts';

export { stopEngine } from './engine-process.ts';

const defaultHost = 'unix:///var/run/docker.sock';
const startPatienceMilliseconds = 60_000;
const installPatienceMilliseconds = 600_000;

export interface EngineOptions {
  /** `DOCKER_HOST`; undefined means the usual socket, which is the only one that is ever installed and started for. */
  readonly host: string | undefined;
  readonly say: (line: string) => void;
  /** The engine is started for this run only: its containers end with it. The caller stops it (stopEngine). */
  readonly stopWithProcess?: boolean;
}

export interface EnsuredEngine {
  readonly installed: boolean;
  /** Of the engine that this call started without systemd; undefined where one ran already. */
  readonly startedPid: number | undefined;
}

export async function ensureEngine(options: EngineOptions): Promise<EnsuredEngine> {
  const host = options.host || defaultHost;
  const answer = await ping(host);
  if (answer.kind === 'OK') return { installed: false, startedPid: undefined };
  refuseWhatIsNotOurs(host, answer);

  const administrator = await findAdministrator();
  const patienceMilliseconds = installPatienceMilliseconds + startPatienceMilliseconds;
  const lock = { name: 'engine', what: 'installing or starting the Docker Engine', patienceMilliseconds };
  return withMachineLock(lock, () => obtain(administrator, options));
}

async function obtain(administrator: Administrator, options: EngineOptions): Promise<EnsuredEngine> {
  // Another start may have done it all while this one waited for the lock.
  if ((await ping(defaultHost)).kind === 'OK') return { installed: false, startedPid: undefined };
  const installed = !existsSync('/usr/bin/dockerd') && !existsSync('/usr/sbin/dockerd');
  if (installed) await install(administrator, options.say);
  const startedPid = await start(administrator, options);
  return { installed, startedPid };
}

/** Only an engine at the usual place of a system that we know is ours to install or start. */
function refuseWhatIsNotOurs(host: string, answer: Exclude<Answer, { kind: 'OK' }>): void {
  if (answer.kind === 'FORBIDDEN') throw forbidden(host);
  if (host !== defaultHost) {
    throw new Unavailable(
      `No Docker Engine answers at ${host} (${answer.reason}). Start it, or correct or unset DOCKER_HOST.`,
    );
  }
  if (!isDebian()) {
    throw new Unavailable(
      `No Docker Engine answers at ${host} (${answer.reason}). Install Docker Engine 20.10 or newer and start it, ` +
        'or set DOCKER_HOST to one that runs elsewhere.',
    );
  }
}

function forbidden(host: string): Unavailable {
  return new Unavailable(
    `A Docker Engine is at ${host}, but this user may not talk to it. ` +
      'Add the user to the group "docker" (sudo usermod -aG docker $USER) and log in again.',
  );
}

async function install(administrator: Administrator, say: (line: string) => void): Promise<void> {
  say('No Docker Engine answers. Installing the package docker.io with apt-get; this takes some seconds.');
  try {
    await installPackages(administrator, ['docker.io'], installPatienceMilliseconds);
  } catch (fault) {
    const words = fault instanceof Error ? fault.message : String(fault);
    throw new Unavailable(
      `Installing docker.io failed. Install a Docker Engine by hand. apt-get said: ${words.slice(-1_500)}`,
    );
  }
}

/** An engine that is just starting is waited for, never doubled: a second one would tear down the first one's networks. */
async function start(administrator: Administrator, options: EngineOptions): Promise<number | undefined> {
  if (enginePid() !== undefined) {
    options.say('A Docker Engine is running but does not answer yet; waiting for it.');
    await untilAnswering();
    return undefined;
  }
  options.say('Starting the Docker Engine.');
  if (existsSync('/run/systemd/system')) {
    await asAdministrator(administrator, ['systemctl', 'start', 'docker'], { timeoutMilliseconds: 120_000 });
    if (administrator.length > 0) await admit(administrator, options.say);
    await untilAnswering();
    return undefined;
  }
  await launchEngine(administrator, { keepContainers: options.stopWithProcess !== true });
  await untilAnswering();
  return enginePid();
}

/**
 * What the sentence in `forbidden` asks a person to do, for who may become root anyway: the membership counts from the next
 * login on, the socket's group until the engine is started again.
 */
async function admit(administrator: Administrator, say: (line: string) => void): Promise<void> {
  const { username, gid } = userInfo();
  say(`Adding ${username} to the group docker, and letting this session use the Docker Engine.`);
  const limits = { timeoutMilliseconds: 10_000 };
  await asAdministrator(administrator, ['usermod', '--append', '--groups', 'docker', '--', username], limits);
  await asAdministrator(administrator, ['chgrp', '--', String(gid), '/var/run/docker.sock'], limits);
}

async function untilAnswering(): Promise<void> {
  const giveUpAt = performance.now() + startPatienceMilliseconds;
  for (;;) {
    const answer = await ping(defaultHost);
    if (answer.kind === 'OK') return;
    if (answer.kind === 'FORBIDDEN') throw forbidden(defaultHost);
    if (performance.now() > giveUpAt) {
      throw new Unavailable(
        `The Docker Engine does not answer after ${startPatienceMilliseconds / 1_000} s (${answer.reason}). ` +
          `See "journalctl -u docker" or ${engineLog()}.`,
      );
    }
    await wait(100);
  }
}
