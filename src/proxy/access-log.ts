// The access log: one line of JSON for each request, on the container's standard output. Text that a visitor sent goes
// through HAProxy's own JSON converter and is cut; numbers are HAProxy's. The query isn't logged, because tokens stand there.

const text = (expression: string): string => `"%[${expression},json(utf8s)]"`;

function line(fields: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(fields).map(([name, value]) => `"${name}":${value}`);
  return `'{${pairs.join(',')}}'`;
}

/** Taken while the request is there; a request that can't be read has none of it, and "-" is logged. */
export const keptForLog: readonly string[] = [
  'http-request set-var(txn.log_method) method,bytes(0,32)',
  'http-request set-var(txn.log_path) path,bytes(0,1024)',
  'http-request set-var(txn.log_host) req.fhdr(host),bytes(0,256)',
  'http-request set-var(txn.log_agent) req.fhdr(user-agent),bytes(0,256)',
];

/**
 * Times in milliseconds; -1 for what wasn't reached. `at` is when the request had been answered. Also for what never came to
 * a request, a failed handshake of TLS for instance, with its cause.
 */
export const requestLog = line({
  at: '%[date(0,ms)]',
  client: '"%ci"',
  scheme: '"%[var(txn.scheme)]"',
  version: '"%HV"',
  method: text('var(txn.log_method)'),
  host: text('var(txn.log_host)'),
  path: text('var(txn.log_path)'),
  agent: text('var(txn.log_agent)'),
  site: '"%[var(txn.site)]"',
  job: '"%s"',
  status: '%ST',
  bytesIn: '%U',
  bytesOut: '%B',
  waitMs: '%Tw',
  connectMs: '%Tc',
  answerMs: '%Tr',
  totalMs: '%Ta',
  retries: '"%rc"',
  end: '"%tsc"',
  cause: text('fc_err_str'),
});
