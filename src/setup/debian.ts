// Packages of the system's own distribution, on Debian and what descends from it.
import { existsSync, readFileSync } from 'node:fs';
import { type Administrator, asAdministrator } from './engine-administrator.ts';

export function isDebian(): boolean {
  if (!existsSync('/etc/os-release')) return false;
  const release = readFileSync('/etc/os-release', 'utf8');
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(release);
}

/** Waits for whoever else is installing. Rejects with what apt-get wrote to stderr in the message. */
export async function installPackages(
  administrator: Administrator,
  packages: readonly string[],
  timeoutMilliseconds: number,
): Promise<void> {
  const apt = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q', '-o', 'DPkg::Lock::Timeout=300'];
  const options = { timeoutMilliseconds };
  await asAdministrator(administrator, [...apt, 'update'], options);
  await asAdministrator(
    administrator,
    [...apt, 'install', '-y', '--no-install-recommends', ...packages],
    options,
  );
}
