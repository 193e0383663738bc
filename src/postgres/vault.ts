// Encryption of values at rest: AES-256-GCM with a data key for each secret, wrapped by a key-encryption key from a file.
// Organization, environment, service, name and the secret's id are bound as associated data: a row that is moved or
// renamed doesn't decrypt.
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Unavailable } from '../errors.ts';

export interface Vault {
  seal(binding: Binding, value: string): Sealed;
  open(binding: Binding, sealed: Sealed): string;
  /** Keyed digest, 32 hexadecimal digits: the same for the same value in the same place, and nothing else can be told. */
  digest(place: string, value: string): string;
}

export interface Binding {
  readonly organizationId: string;
  readonly environmentId: string;
  readonly serviceId: string;
  readonly name: string;
  readonly secretId: string;
}

export interface Sealed {
  readonly keyId: string;
  readonly wrappedKey: Buffer;
  readonly sealed: Buffer;
}

const keyBytes = 32;

/** Reads the key file, making it on a first start. Refuses a short or readable-by-others file with a sentence. */
export async function openVault(keyFile: string, mayCreate: boolean): Promise<Vault> {
  const key = await readKey(keyFile, mayCreate);
  const keyId = createHmac('sha256', key).update('berth key id').digest('hex').slice(0, 16);
  const digestKey = Buffer.from(hkdfSync('sha256', key, '', 'berth digests', keyBytes));
  return {
    seal: (binding, value) => {
      const dataKey = randomBytes(keyBytes);
      const bound = associated(binding);
      return {
        keyId,
        wrappedKey: encrypt(key, bound, dataKey),
        sealed: encrypt(dataKey, bound, Buffer.from(value, 'utf8')),
      };
    },
    open: (binding, { keyId: usedKey, wrappedKey, sealed }) => {
      if (usedKey !== keyId)
        throw new Unavailable(
          `A stored value was encrypted with another key (${usedKey}) than ${keyFile} holds.`,
        );
      const bound = associated(binding);
      return decrypt(decrypt(key, bound, wrappedKey), bound, sealed).toString('utf8');
    },
    digest: (place, value) =>
      createHmac('sha256', digestKey).update(`${place}\0${value}`).digest('hex').slice(0, 32),
  };
}

async function readKey(file: string, mayCreate: boolean): Promise<Buffer> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  if (mayCreate) await createKey(file);
  const info = await stat(file).catch(() => undefined);
  if (info === undefined)
    throw new Unavailable(
      `The key file ${file} is missing, and the database holds values encrypted with it. Put it back.`,
    );
  if ((info.mode & 0o077) !== 0)
    throw new Unavailable(`The key file ${file} can be read by others. Run: chmod 600 ${file}`);
  const key = Buffer.from((await readFile(file, 'utf8')).trim(), 'base64');
  if (key.length !== keyBytes)
    throw new Unavailable(
      `The key file ${file} must hold ${keyBytes} bytes in base64; it holds ${key.length}.`,
    );
  return key;
}

/** Whole under a name of its own first: another process that starts at this moment must not read half a key. */
async function createKey(file: string): Promise<void> {
  if (await stat(file).catch(() => undefined)) return;
  const fresh = `${file}.${randomBytes(6).toString('hex')}`;
  const handle = await open(fresh, 'wx', 0o600);
  try {
    await handle.writeFile(`${randomBytes(keyBytes).toString('base64')}\n`);
    await handle.sync();
    await link(fresh, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await handle.close();
    await unlink(fresh);
  }
}

function associated(binding: Binding): Buffer {
  const { organizationId, environmentId, serviceId, name, secretId } = binding;
  return Buffer.from(JSON.stringify([organizationId, environmentId, serviceId, name, secretId]));
}

/** Nonce, tag, cipher text. */
function encrypt(key: Buffer, bound: Buffer, plain: Buffer): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(bound);
  const text = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), text]);
}

function decrypt(key: Buffer, bound: Buffer, sealed: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12)).setAAD(bound);
  decipher.setAuthTag(sealed.subarray(12, 28));
  return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]);
}
