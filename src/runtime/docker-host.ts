// Where the engine is and in which words to speak to it: reads a DOCKER_HOST value and agrees on an API version. Opens the
// two dockerode clients, one for calls and one for streams, each with sockets of its own that closing destroys. Asks
// nothing but the version.
import http from 'node:http';
import https from 'node:https';
import { inspect } from 'node:util';
import Docker from 'dockerode';

export interface DockerClients {
  readonly calls: Docker;
  readonly streams: Docker;
}

export interface DockerHost {
  /** A client that names no API version: only good for asking which there are. */
  readonly bare: Docker;
  clientsFor(apiVersion: string): DockerClients;
  close(): void;
}

/** The API this room is written against. A newer engine that still speaks it is asked to. */
const writtenAgainst = '1.41';

/** The version to speak: ours, or the oldest the engine still knows. Undefined when the engine is too old. */
export function chooseApiVersion(newest: string, oldest: string | undefined): string | undefined {
  if (compareVersions(newest, writtenAgainst) < 0) return undefined;
  return oldest !== undefined && compareVersions(oldest, writtenAgainst) > 0 ? oldest : writtenAgainst;
}

function compareVersions(left: string, right: string): number {
  const [leftMajor = 0, leftMinor = 0] = left.split('.').map(Number);
  const [rightMajor = 0, rightMinor = 0] = right.split('.').map(Number);
  return leftMajor - rightMajor || leftMinor - rightMinor;
}

export function openDockerHost(host: string | undefined): DockerHost {
  const connection = parseHost(host ?? 'unix:///var/run/docker.sock');
  // No connection is kept: after a restart of the engine a kept one answers with a reset, and a local one costs nothing.
  const newAgent = () =>
    brieflyShown(
      connection.protocol === 'https'
        ? new https.Agent({ keepAlive: false })
        : new http.Agent({ keepAlive: false }),
    );
  const callAgent = newAgent();
  const streamAgent = newAgent();
  const open = (agent: http.Agent, version?: string) => {
    // The library takes an agent, its types don't say so.
    const options = { ...connection, agent, ...(version !== undefined && { version }) };
    return new Docker(options);
  };
  return {
    bare: open(callAgent),
    clientsFor: (apiVersion) => ({
      calls: open(callAgent, `v${apiVersion}`),
      streams: open(streamAgent, `v${apiVersion}`),
    }),
    close() {
      callAgent.destroy();
      streamAgent.destroy();
    },
  };
}

/**
 * The library makes a text of every request's options for its own debugging, also when nobody reads it: of an agent that
 * would be all its sockets with their buffers, tens of milliseconds for each request while others are under way.
 */
function brieflyShown<Agent extends http.Agent>(agent: Agent): Agent {
  return Object.defineProperty(agent, inspect.custom, { value: () => '[agent]' });
}

interface Connection {
  readonly protocol: 'http' | 'https';
  /** Empty for a Unix socket: the library would else fall back to its own reading of the process environment. */
  readonly host: string;
  readonly port?: string;
  readonly socketPath?: string;
}

/** Certificates for https come from DOCKER_CERT_PATH, which the library reads by itself. */
function parseHost(value: string): Connection {
  if (value.startsWith('unix://')) {
    return {
      protocol: 'http',
      host: '',
      socketPath: value.slice('unix://'.length) || '/var/run/docker.sock',
    };
  }
  const url = URL.parse(value.includes('://') ? value : `tcp://${value}`);
  if (!url || !['tcp:', 'http:', 'https:'].includes(url.protocol) || url.hostname === '') {
    throw new Error(
      `DOCKER_HOST must look like unix:///path or tcp://name:port, not ${JSON.stringify(value)}.`,
    );
  }
  const secure = url.protocol === 'https:' || url.port === '2376';
  return {
    protocol: secure ? 'https' : 'http',
    host: url.hostname,
    port: url.port || (secure ? '2376' : '2375'),
  };
}
