// The browser that pages are looked at with: Debian's Chromium, installed where the tests may install.
import { existsSync } from 'node:fs';
import { installPackages, isDebian } from '../../src/setup/debian.ts';
import { findAdministrator } from '../../src/setup/engine-administrator.ts';

const chromium = '/usr/bin/chromium';

/** Path of its program; undefined where there is none and none can be installed, having said so. */
export async function findBrowser(): Promise<string | undefined> {
  if (existsSync(chromium)) return chromium;
  try {
    if (!isDebian()) throw new Error('Only on Debian are the tests able to install one.');
    console.log(
      'No Chromium is installed. Installing the package chromium with apt-get; this takes a minute.',
    );
    await installPackages(await findAdministrator(), ['chromium'], 600_000);
    return chromium;
  } catch (fault) {
    console.error('Pages are not looked at in a browser:', fault instanceof Error ? fault.message : fault);
    return undefined;
  }
}
