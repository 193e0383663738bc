// What passes between the driver and the server, followed message by message and no deeper: whether an answer is still owed,
// and whether the server has ended the session. Holds no socket and no clock.

/** What the server said as it ended the session, field by field under the driver's names. */
export type LastWords = Readonly<Record<string, string>>;

export interface Conversation {
  /** Answers with what is to be sent. */
  send(chunk: Buffer): Buffer;
  /** Answers with what the driver shall see: whole messages, but for long ones; the server's last words aren't among them. */
  receive(chunk: Buffer): { readonly seen: Buffer; readonly lastWords: LastWords | undefined };
  /** Whether something was sent that the server has not answered to its end. */
  isOwed(): boolean;
}

const letter = (text: string): number => text.charCodeAt(0);
const query = letter('Q');
const sync = letter('S');
const password = letter('p');
const readyForQuery = letter('Z');
const error = letter('E');
const headerBytes = 5;

export function followConversation(): Conversation {
  let begun = false;
  /** Answers to come, each ended by the server's being ready again. */
  let owed = 0;
  /** Something was sent for which the server is not yet bound to be ready again. */
  let open = false;
  let skip = 0;
  let kept: Buffer = Buffer.alloc(0);

  function send(chunk: Buffer): Buffer {
    let at = 0;
    if (!begun) {
      // The first message has no letter. What stands before it was meant for the connection before this one.
      while (at < chunk.length && chunk[at] !== 0) at = endOf(chunk, at);
      begun = true;
      owed = 1;
      return chunk.subarray(at);
    }
    // The driver writes whole messages.
    for (; at < chunk.length; at = endOf(chunk, at)) {
      const kind = chunk[at];
      if (kind === password) continue;
      open = kind !== query && kind !== sync;
      if (!open) owed += 1;
    }
    return chunk;
  }

  function receive(chunk: Buffer): ReturnType<Conversation['receive']> {
    const data = kept.length === 0 ? chunk : Buffer.concat([kept, chunk]);
    let at = Math.min(skip, data.length);
    skip -= at;
    while (data.length - at >= headerBytes) {
      const kind = data[at];
      const end = endOf(data, at);
      const isWhole = end <= data.length;
      if (!isWhole && (kind === error || kind === readyForQuery)) break;
      if (kind === readyForQuery) owed -= 1;
      if (kind === error) {
        const said = fieldsOf(data.subarray(at + headerBytes, end));
        if (/^(FATAL|PANIC)$/.test(said.severity ?? ''))
          return { seen: data.subarray(0, at), lastWords: said };
      }
      skip = Math.max(0, end - data.length);
      at = Math.min(end, data.length);
    }
    kept = data.subarray(at);
    return { seen: data.subarray(0, at), lastWords: undefined };
  }

  return { send, receive, isOwed: () => open || owed > 0 };
}

function endOf(data: Buffer, at: number): number {
  return data.length - at < headerBytes ? data.length : at + 1 + data.readUInt32BE(at + 1);
}

/** `V` is the severity whatever the server's language. */
const fieldNames: Readonly<Record<string, string>> = {
  ...{ S: 'severity_local', V: 'severity', C: 'code', M: 'message', D: 'detail', H: 'hint' },
  ...{ F: 'file', L: 'line', R: 'routine' },
};

function fieldsOf(body: Buffer): LastWords {
  const fields = body.toString().split('\0').filter(Boolean);
  return Object.fromEntries(fields.map((field) => [fieldNames[field[0] ?? ''] ?? field[0], field.slice(1)]));
}
