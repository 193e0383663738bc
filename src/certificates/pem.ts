// PEM texts as people paste them, read into certificates and one key. Text between the blocks is allowed, as tools write
// it there; what is inside a block must be what the field is for. No refusal repeats anything of the text, because the key
// may have been pasted into the wrong field.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { InvalidInput } from '../errors.ts';
import { certificateLimits } from '../model/certificates.ts';

interface Block {
  readonly label: string;
  readonly text: string;
}

export function readChain(text: string): readonly [X509Certificate, ...X509Certificate[]] {
  const blocks = readBlocks('chain', text);
  for (const { label } of blocks) {
    if (label.endsWith('PRIVATE KEY')) {
      throw refused('chain', 'The chain holds a private key. Give it in the field privateKey alone.');
    }
    if (label !== 'CERTIFICATE' && label !== 'X509 CERTIFICATE') {
      throw refused('chain', `The chain holds a block "${label}". Only certificates belong there.`);
    }
  }
  if (blocks.length > certificateLimits.chainLength) {
    throw refused(
      'chain',
      `The chain has ${blocks.length} certificates; ${certificateLimits.chainLength} is the limit.`,
    );
  }
  const [leaf, ...others] = blocks.map(({ text: block }, index) => readCertificate(block, index));
  if (leaf === undefined) {
    throw refused('chain', 'The chain holds no certificate in PEM form (-----BEGIN CERTIFICATE-----).');
  }
  return [leaf, ...others];
}

function readCertificate(block: string, index: number): X509Certificate {
  try {
    return new X509Certificate(block);
  } catch {
    throw refused('chain', `Certificate ${index + 1} of the chain can't be read as X.509.`);
  }
}

export function readKey(text: string): KeyObject {
  // OpenSSL writes the curve's parameters in a block of their own before an EC key.
  const blocks = readBlocks('privateKey', text).filter(({ label }) => label !== 'EC PARAMETERS');
  const keys = blocks.filter(({ label }) => label.endsWith('PRIVATE KEY'));
  const [key] = keys;
  if (key === undefined) {
    throw refused('privateKey', 'The text holds no private key in PEM form (-----BEGIN PRIVATE KEY-----).');
  }
  if (keys.length > 1) {
    throw refused('privateKey', `The text holds ${keys.length} private keys. Give the leaf's alone.`);
  }
  if (blocks.length > keys.length) {
    throw refused(
      'privateKey',
      'The text holds more than the private key. Certificates belong in the chain.',
    );
  }
  if (key.label === 'ENCRYPTED PRIVATE KEY' || /^Proc-Type:.*ENCRYPTED/m.test(key.text)) {
    throw refused('privateKey', 'The private key is encrypted. Give it without a passphrase.');
  }
  try {
    return createPrivateKey(key.text);
  } catch {
    throw refused('privateKey', "The private key can't be read. PKCS #8, PKCS #1 and SEC 1 are understood.");
  }
}

function readBlocks(field: string, text: string): readonly Block[] {
  const bytes = Buffer.byteLength(text);
  if (bytes > certificateLimits.textBytes) {
    throw refused(field, `The text has ${bytes} bytes; ${certificateLimits.textBytes} is the limit.`);
  }
  const blocks: Block[] = [];
  let open: { label: string; lines: string[] } | undefined;
  for (const line of text.split(/\r\n|\r|\n/).map((each) => each.trim())) {
    const [, edge, label = ''] = /^-----(BEGIN|END) ([A-Z0-9 ]{1,40})-----$/.exec(line) ?? [];
    if (open === undefined && edge === 'BEGIN') open = { label, lines: [line] };
    else if (open !== undefined && edge === 'BEGIN')
      throw refused(field, 'A PEM block begins within another.');
    else if (edge === 'END') {
      if (open?.label !== label) throw refused(field, 'A PEM block ends that did not begin.');
      blocks.push({ label, text: `${[...open.lines, line].join('\n')}\n` });
      open = undefined;
    } else open?.lines.push(line);
  }
  if (open !== undefined) throw refused(field, 'A PEM block has no end: the text is cut off.');
  return blocks;
}

function refused(field: string, message: string): InvalidInput {
  return new InvalidInput([field], message);
}
