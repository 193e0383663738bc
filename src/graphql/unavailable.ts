// Which faults are those of a part that Berth stands on and that doesn't answer now, as opposed to faults of Berth itself.
// Told by names and codes, because this room knows neither Postgres nor the engine.

export type Part = 'DATABASE' | 'ENGINE';

export const sentences: Readonly<Record<Part, string>> = {
  DATABASE:
    'The database did not answer, or not in time. A change may have been made or not: look, then try again in a moment.',
  ENGINE:
    'The container engine gave no usable answer. Try again in a moment; /health says whether it answers again.',
};

/** SQLSTATE: what the database says when it is overloaded, a lock is held too long, or it goes down. */
const ofPostgres = /^(08...|53300|55P03|57014|57P0[1-5]|25P03)$/;
/** Of the driver and of the network beneath it. */
const ofConnections =
  /^(CONNECTION_(CLOSED|ENDED|DESTROYED)|CONNECT_TIMEOUT|E(CONNREFUSED|CONNRESET|CONNABORTED|PIPE|TIMEDOUT|HOSTUNREACH|NETUNREACH|NOTFOUND|AI_AGAIN))$/;

/** Of the error or of what it wraps; undefined for any other fault. */
export function unavailablePart(error: unknown): Part | undefined {
  let fault = error;
  for (let depth = 0; depth < 10 && fault instanceof Error; depth++) {
    if (fault.name === 'EngineFault') return 'ENGINE';
    const code = 'code' in fault && typeof fault.code === 'string' ? fault.code : '';
    if (fault.name === 'PostgresError' ? ofPostgres.test(code) : ofConnections.test(code)) return 'DATABASE';
    // The socket of a database on this machine, while it starts.
    if (code === 'ENOENT' && 'syscall' in fault && fault.syscall === 'connect') return 'DATABASE';
    fault = fault.cause;
  }
  return undefined;
}
