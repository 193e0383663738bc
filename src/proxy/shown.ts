// Reads what HAProxy's runtime API answers. A form that isn't known is thrown, never guessed at: a later version may have
// changed it, and a wrong reading would take jobs out of rotation.
import type { MapEntry, ShownServer } from './rotation.ts';

export class UnknownForm extends Error {
  constructor(what: string, text: string) {
    super(`HAProxy's ${what} has a form that isn't known: ${JSON.stringify(text.slice(0, 200))}`);
    this.name = 'UnknownForm';
  }
}

const knownVersionOfState = '1';
/** Bits of `srv_admin_state`: out for any reason, or told to drain. */
const outBits = 0x01 | 0x02 | 0x04 | 0x20 | 0x40;
const drainBits = 0x08 | 0x10;

/** Of `show servers state`; only the backends whose names begin so. */
export function readServers(text: string, prefix: string): Map<string, ShownServer[]> {
  const [version, heading = '', ...rows] = text.trim().split('\n');
  if (version !== knownVersionOfState || !heading.startsWith('# '))
    throw new UnknownForm('state of servers', text);
  const column = columns(heading.slice(2).split(' '), 'state of servers');
  const servers = new Map<string, ShownServer[]>();
  for (const row of rows) {
    const cells = row.split(' ');
    const backend = column(cells, 'be_name');
    if (!backend.startsWith(prefix)) continue;
    const list = servers.get(backend) ?? [];
    list.push({
      name: column(cells, 'srv_name'),
      address: column(cells, 'srv_addr'),
      port: number(column(cells, 'srv_port')),
      state: stateOf(number(column(cells, 'srv_admin_state'))),
    });
    servers.set(backend, list);
  }
  return servers;
}

function stateOf(bits: number): ShownServer['state'] {
  if ((bits & outBits) !== 0) return 'MAINT';
  return (bits & drainBits) !== 0 ? 'DRAIN' : 'READY';
}

/** Of `show map`: a pointer, the key and the value on each line. */
export function readMap(text: string): MapEntry[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const [, key, value] = /^0x[0-9a-f]+ (\S+) (.*)$/.exec(line) ?? [];
    if (key === undefined || value === undefined) throw new UnknownForm('map', text);
    return [key, value];
  });
}

/** Of `show stat` for servers: job → sessions under way, over all backends whose names begin so. */
export function readSessions(text: string, prefix: string): Map<string, number> {
  const [heading = '', ...rows] = text.trim().split('\n');
  if (!heading.startsWith('# ')) throw new UnknownForm('statistics', text);
  const column = columns(heading.slice(2).split(','), 'statistics');
  const sessions = new Map<string, number>();
  for (const row of rows) {
    const cells = row.split(',');
    if (!column(cells, 'pxname').startsWith(prefix)) continue;
    const name = column(cells, 'svname');
    const current = number(column(cells, 'scur')) + number(column(cells, 'qcur'));
    sessions.set(name, (sessions.get(name) ?? 0) + current);
  }
  return sessions;
}

function columns(names: readonly string[], what: string): (cells: readonly string[], name: string) => string {
  return (cells, name) => {
    const cell = cells[names.indexOf(name)];
    if (cell === undefined) throw new UnknownForm(what, `${name} in ${cells.join(' ')}`);
    return cell;
  };
}

function number(text: string): number {
  if (!/^\d+$/.test(text)) throw new UnknownForm('number', text);
  return Number(text);
}
