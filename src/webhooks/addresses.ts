// Which addresses the platform goes to on behalf of a user: those of the public Internet, and those of networks that the
// operator has named. Names are looked up once, in the DNS alone, and the connection is made to the address that was looked at.
import { resolve4, resolve6 } from 'node:dns/promises';
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';

/** Where no public receiver is: RFC 6890 and its successors. */
const reserved = networks([
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12'],
  ...['192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24'],
  ...['203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4'],
]);
/** Of IPv6 what is given out to anybody lies here, less what leads elsewhere by translation or is for examples. */
const global6 = networks(['2000::/3']);
const reserved6 = networks(['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']);

export class AddressRefused extends Error {}

/** A list of networks such as 10.0.0.0/8; throws at one that isn't. */
export function networks(list: readonly string[]): BlockList {
  const block = new BlockList();
  for (const each of list) {
    const [address = '', prefix = '', ...rest] = each.split('/');
    const family = isIP(address);
    if (family === 0 || !/^\d{1,3}$/.test(prefix) || rest.length > 0)
      throw new Error(`${each} is no network such as 10.0.0.0/8`);
    block.addSubnet(address, Number(prefix), family === 4 ? 'ipv4' : 'ipv6');
  }
  return block;
}

export function isPublic(address: string): boolean {
  if (isIPv4(address)) return !reserved.check(address, 'ipv4');
  return isIPv6(address) && global6.check(address, 'ipv6') && !reserved6.check(address, 'ipv6');
}

export interface Reach {
  /** Named by the operator: reached though they are private, and by plain HTTP. */
  readonly allowed: BlockList;
}

/** The address to connect to. A name of which any address may not be reached is refused altogether. */
export async function addressFor({ hostname, protocol }: URL, { allowed }: Reach): Promise<string> {
  const host = hostname.replace(/^\[|\]$/g, '');
  const found = isIP(host) === 0 ? await lookUp(host) : [host];
  for (const address of found) {
    const isAllowed = allowed.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
    if (isAllowed) continue;
    if (protocol !== 'https:')
      throw new AddressRefused('Plain HTTP goes only to networks that the operator has named.');
    if (!isPublic(address))
      throw new AddressRefused(
        'Its host has an address that is not public; the operator can name networks that may be reached.',
      );
  }
  const [first] = found;
  if (first === undefined) throw new Error(`the name ${host} is not known`);
  return first;
}

/** IPv4 first: it is what every machine has. */
async function lookUp(host: string): Promise<string[]> {
  const [four, six] = await Promise.allSettled([resolve4(host), resolve6(host)]);
  if (four.status === 'rejected' && six.status === 'rejected') {
    const { code } = four.reason as NodeJS.ErrnoException;
    throw new Error(`the name ${host} is not known${code === undefined ? '' : ` (${code})`}`);
  }
  return [four, six].flatMap((each) => (each.status === 'fulfilled' ? each.value : []));
}
