// What goes over the wire to the database, told apart by Postgres's protocol: what is really sent, whoever in the process
// sends it.

/** For what one connection's client sends: the text of each statement that is executed, prepared ones included. */
export function statementsIn(told: (statement: string) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  let greeted = false;
  const prepared = new Map<string, string>();
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      // The first message has no letter.
      const head = greeted ? 1 : 0;
      if (rest.length < head + 4) return;
      const length = head + rest.readInt32BE(head);
      if (rest.length < length) return;
      const letter = greeted ? String.fromCharCode(rest[0] ?? 0) : '';
      const [first = '', second = ''] = rest.toString('utf8', head + 4, length).split('\0', 2);
      if (letter === 'P') prepared.set(first, second);
      if (letter === 'Q') told(first);
      if (letter === 'B') told(prepared.get(second) ?? second);
      rest = rest.subarray(length);
      greeted = true;
    }
  };
}
