// The vault: a stored value opens in its own place only, and the key file is refused when others could have it.
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Unavailable } from '../../src/errors.ts';
import { newId } from '../../src/ids.ts';
import { type Binding, openVault } from '../../src/postgres/vault.ts';

let folder: string;
let number = 0;
const fresh = () => join(folder, `${number++}`, 'key');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-vault-'));
});

afterAll(() => rm(folder, { recursive: true }));

const binding = (): Binding => ({
  ...{ organizationId: newId(), environmentId: newId(), serviceId: newId(), secretId: newId(), name: 'A' },
});

test('a value comes back as it was, and never looks the same twice', async () => {
  const vault = await openVault(fresh(), true);
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (value) => {
      const place = binding();
      const [one, two] = [vault.seal(place, value), vault.seal(place, value)];
      expect(vault.open(place, one)).toBe(value);
      expect(one.sealed.equals(two.sealed)).toBe(false);
      if (value.length > 3) expect(one.sealed.includes(value)).toBe(false);
    }),
  );
});

test('a row that was moved, renamed or changed in a single bit does not open', async () => {
  const vault = await openVault(fresh(), true);
  const place = binding();
  const kept = vault.seal(place, 'secret');
  for (const field of Object.keys(place) as (keyof Binding)[])
    expect(() => vault.open({ ...place, [field]: field === 'name' ? 'B' : newId() }, kept)).toThrow();
  for (const part of ['sealed', 'wrappedKey'] as const)
    for (let at = 0; at < kept[part].length; at += 5) {
      const changed = Buffer.from(kept[part]);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      expect(() => vault.open(place, { ...kept, [part]: changed })).toThrow();
    }
  const other = vault.seal(binding(), 'secret');
  expect(() => vault.open(place, { ...kept, wrappedKey: other.wrappedKey })).toThrow();
  const elsewhere = await openVault(fresh(), true);
  expect(() => elsewhere.open(place, kept)).toThrow(/another key/);
});

test('a key is made once, for its owner alone, and read by whoever starts at the same time', async () => {
  const file = fresh();
  const vaults = await Promise.all(Array.from({ length: 20 }, () => openVault(file, true)));
  const place = binding();
  for (const vault of vaults)
    expect(vault.open(place, vaults[0]?.seal(place, 'a') ?? vault.seal(place, ''))).toBe('a');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(Buffer.from(await readFile(file, 'utf8'), 'base64').length).toBe(32);
});

test.each([
  ['missing where something is encrypted already', undefined, 0o600, /missing.*Put it back/],
  ['readable by the group', Buffer.alloc(32).toString('base64'), 0o640, /chmod 600/],
  ['readable by all', Buffer.alloc(32).toString('base64'), 0o604, /chmod 600/],
  ['short', Buffer.alloc(31).toString('base64'), 0o600, /32 bytes.*holds 31/],
  ['empty', '', 0o600, /holds 0/],
  ['too long', Buffer.alloc(33).toString('base64'), 0o600, /holds 33/],
])('a key file that is %s is refused with what to do', async (_what, text, mode, sentence) => {
  const file = fresh();
  await openVault(file, true);
  await rm(file);
  if (text !== undefined) {
    await writeFile(file, text);
    await chmod(file, mode);
  }
  const opening = openVault(file, text !== undefined);
  await expect(opening).rejects.toThrow(Unavailable);
  await expect(opening).rejects.toThrow(sentence);
});
