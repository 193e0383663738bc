// The monitoring agent as a process of its own with 1,000 checks every 10 s, half TCP and half HTTP, against a server on the
// same machine: how late checks begin, how long a result takes from the end of its check to who waits for it, and the CPU
// time that all of it costs.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { dueAt, rhythmOf, turnAfter } from '../../src/agents/monitoring/turns.ts';
import type { ConfiguredCheck, MadeResult } from '../../src/model/monitoring/agent.ts';
import { type AgentClient, makeKeys, openClient, pemOf } from '../agents/monitoring/client.ts';

const host = '127.0.0.1';
const intervalSeconds = 10;
const checkCount = 1000;
/** Not measured: the first checks load code. */
const warmUpSeconds = 12;

export async function benchMonitoring(say: (line: string) => void, seconds = 60): Promise<void> {
  const server = createServer((_, response) => response.end('ok')).listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const agent = await startProgram();
  try {
    await agent.client.configure({ revision: 1, checks: checksAt(port) });
    await follow(agent.client, warmUpSeconds);
    const cpuBefore = await cpuSeconds(agent.pid);
    const seen = await follow(agent.client, seconds);
    const cpu = (await cpuSeconds(agent.pid)) - cpuBefore;
    report(say, seen, cpu, seconds);
  } finally {
    await agent.close();
    server.close();
  }
}

async function startProgram() {
  const folder = await mkdtemp(join(tmpdir(), 'berth-bench-'));
  const { authority, serverPem } = await makeKeys();
  const [serverFile, authorityFile] = [join(folder, 'server.pem'), join(folder, 'authority.pem')];
  await writeFile(serverFile, serverPem);
  await writeFile(authorityFile, authority.certificate);
  const files = {
    BERTH_AGENT_SERVER: serverFile,
    BERTH_AGENT_AUTHORITY: authorityFile,
    BERTH_AGENT_DATA: folder,
  };
  const env = { ...process.env, ...files, BERTH_AGENT_HOST: host, BERTH_AGENT_PORT: '0' };
  const program = new URL('../../src/agents/monitoring/main.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [program], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(createInterface(child.stdout), 'line');
  const clientPem = await pemOf(authority, 'CLIENT');
  const client = openClient({ host, port: JSON.parse(line).port, authority, clientPem });
  return {
    client,
    pid: child.pid ?? 0,
    async close() {
      client.close();
      child.kill('SIGTERM');
      await once(child, 'close');
      await rm(folder, { recursive: true });
    },
  };
}

function checksAt(port: number): ConfiguredCheck[] {
  const target = { host, port };
  const standard = { target, settings: {}, thresholds: [], intervalSeconds, timeoutSeconds: 5 };
  return Array.from({ length: checkCount }, (_, n) => ({
    id: `check-${n}`,
    type: n % 2 ? 'HTTP' : 'TCP',
    ...standard,
  }));
}

interface Seen {
  readonly result: MadeResult;
  readonly takenAt: number;
}

/** Like the control plane: asks for what comes next, again and again. */
async function follow(client: AgentClient, seconds: number): Promise<Seen[]> {
  const seen: Seen[] = [];
  const { epoch, lastSeq } = await client.status();
  let after = lastSeq;
  for (const end = performance.now() + seconds * 1000; performance.now() < end; ) {
    const { results } = await client.take({ epoch, after }, 1000);
    const takenAt = Date.now();
    for (const result of results) seen.push({ result, takenAt });
    after = results.at(-1)?.seq ?? after;
  }
  return seen;
}

/** User and system time of a process; the kernel counts in hundredths. */
async function cpuSeconds(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function report(say: (line: string) => void, seen: readonly Seen[], cpu: number, seconds: number): void {
  const lateness = seen.map(({ result }) => latenessOf(result));
  const delays = seen.map(
    ({ result, takenAt }) => takenAt - Date.parse(result.startedAt) - result.durationMs,
  );
  const bad = seen.filter(({ result }) => result.state !== 'OK').length;
  say(`monitoring: ${checkCount} checks every ${intervalSeconds} s for ${seconds} s, TCP and HTTP`);
  say(
    `  results ${seen.length}, ${bad} of them not OK; due ${Math.round((checkCount * seconds) / intervalSeconds)}`,
  );
  say(
    `  lateness p50 ${part(lateness, 0.5)} ms, p99 ${part(lateness, 0.99)} ms, most ${part(lateness, 1)} ms`,
  );
  say(`  end of check to client p50 ${part(delays, 0.5)} ms, p99 ${part(delays, 0.99)} ms`);
  say(`  CPU ${((cpu * 60) / seconds).toFixed(1)} s a minute`);
}

function latenessOf({ checkId, startedAt }: MadeResult): number {
  const rhythm = rhythmOf(checkId, intervalSeconds * 1000);
  const began = Date.parse(startedAt);
  return Math.max(0, began - dueAt(rhythm, turnAfter(rhythm, began) - 1));
}

function part(values: readonly number[], share: number): string {
  const sorted = [...values].sort((a, b) => a - b);
  const at = Math.min(sorted.length - 1, Math.floor(share * sorted.length));
  return (sorted[at] ?? Number.NaN).toFixed(1);
}
