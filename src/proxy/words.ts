// What may become a word of a configuration line, a map or a runtime command. Everything was validated when it was wanted;
// this is the last door, and behind it a blank, a line end or a semicolon would be a directive. So what doesn't fit is no
// user's mistake but ours, and is thrown.
import { isIP } from 'node:net';

/** Something reached the proxy's files or commands that never may. */
export class UnfitForProxy extends Error {
  constructor(what: string, text: string) {
    super(`${what} ${JSON.stringify(text.slice(0, 80))} can't stand in the proxy's configuration.`);
    this.name = 'UnfitForProxy';
  }
}

export function id(text: string): string {
  return fitting('The id', text, /^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$/);
}

/** Lower case; a leading dot, and punycode, but never a blank or a quote. */
export function host(text: string): string {
  return fitting('The host', text, /^\.?[a-z0-9_]([a-z0-9_.-]{0,252}[a-z0-9_])?$/);
}

export function origin(text: string): string {
  return fitting('The origin', text, /^[a-z][a-z0-9+.-]{0,19}:\/\/[a-z0-9_.:[\]-]{1,260}$/);
}

/** The tokens and key authorizations of ACME: base64url, joined by a dot. */
export function challenge(text: string): string {
  return fitting('The challenge', text, /^[A-Za-z0-9_-]{1,256}(\.[A-Za-z0-9_-]{1,256})?$/);
}

export function address(text: string): string {
  if (isIP(text) === 0) throw new UnfitForProxy('The address', text);
  return text;
}

export function endpoint(ip: string, port: number): string {
  const fit = address(ip);
  return `${isIP(fit) === 6 ? `[${fit}]` : fit}:${whole(port, 1, 65_535)}`;
}

export function whole(value: number, minimum: number, maximum: number): string {
  if (!Number.isSafeInteger(value) || value < minimum || value > maximum) {
    throw new UnfitForProxy(`A whole number from ${minimum} to ${maximum} is wanted;`, String(value));
  }
  return String(value);
}

/** Only the blocks themselves: text between them could hold an empty line, which ends a runtime command's payload. */
export function pem(text: string): string {
  const blocks = text.match(/-----BEGIN [A-Z ]+-----[A-Za-z0-9+/=\s]+-----END [A-Z ]+-----/g) ?? [];
  if (blocks.length === 0) throw new UnfitForProxy('PEM text', text.slice(0, 30));
  return `${blocks.map((block) => block.replace(/\s*\n\s*/g, '\n')).join('\n')}\n`;
}

function fitting(what: string, text: string, form: RegExp): string {
  if (!form.test(text)) throw new UnfitForProxy(what, text);
  return text;
}
