/** PostgreSQL's error classes that mean "not now" rather than "wrong": connection, resources, operator intervention, lock conflicts. */
const UNAVAILABLE_STATE = /^(08|53|57|55000|55P03|40001|40P01|25006|XX000)/;
const UNAVAILABLE_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
/** Messages of `pg` and TypeORM for failures that carry no code. */
const UNAVAILABLE_MESSAGE =
  /^(Connection terminated|timeout exceeded when trying to connect|timeout expired|Client has encountered a connection error|Query read timeout|Query runner already released|Cannot use a pool after calling end|Driver not Connected|Connection with .* is not established)/i;
/** Those of `pg` for a connection that broke, or fell silent, after it had been made. */
const CONNECTION_LOST_MESSAGE = /^(Connection terminated unexpectedly|Query read timeout)$/;

interface DatabaseError {
  readonly code?: unknown;
  readonly constraint?: unknown;
  readonly message?: unknown;
  readonly driverError?: DatabaseError;
}

/** What the driver said, whichever layer threw it on. Told by its members: in jest, an error of Node itself is no instance of `Error`. */
function saidByDriver(error: unknown): DatabaseError {
  return (error as DatabaseError | undefined)?.driverError ?? error ?? {};
}

/** Whether the database could not be reached or refused to work for now. The change may or may not have been committed when the connection broke. */
export function isDatabaseUnavailable(error: unknown): boolean {
  const { code, message } = saidByDriver(error);
  const isKnownCode =
    typeof code === 'string' && (UNAVAILABLE_CODES.has(code) || (code.length === 5 && UNAVAILABLE_STATE.test(code)));
  return isKnownCode || (typeof message === 'string' && UNAVAILABLE_MESSAGE.test(message));
}

/** Whether transactions waited for each other in a circle, and this one was given up. Nothing of it was committed. */
export function isDeadlock(error: unknown): boolean {
  return saidByDriver(error).code === '40P01';
}

/** Whether a connection that had worked failed, so that the statement may well be answered on another one. */
export function isConnectionLost(error: unknown): boolean {
  const { code, message } = saidByDriver(error);
  const isKnownMessage = typeof message === 'string' && CONNECTION_LOST_MESSAGE.test(message);
  return isKnownMessage || code === 'ECONNRESET' || code === 'EPIPE';
}

/** Name of the constraint that a statement broke, if it broke one. */
export function violatedConstraint(error: unknown): string | undefined {
  const { constraint } = saidByDriver(error);
  return typeof constraint === 'string' ? constraint : undefined;
}

/**
 * Runs work and turns the violation of a named constraint into its refusal. The database decides who wins a race:
 * asking before writing would let two callers through.
 */
export async function refuseViolations<T>(
  refusals: Readonly<Record<string, () => Error>>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const refusal = refusals[violatedConstraint(error) ?? ''];
    throw refusal ? refusal() : error;
  }
}
