/** What a generated client hands back: the typed body of a success, or the typed body of a refusal. */
interface ClientAnswer<Data, Refusal> {
  readonly data?: Data;
  readonly error?: Refusal;
  readonly response: Response;
}

/** The body of an answer that must be a success; shows what came instead. */
export function bodyOf<Data>({ data, error, response }: ClientAnswer<Data, unknown>): Data & {} {
  if (!response.ok || data === undefined || data === null) throw unexpected(response, error);
  return data;
}

/** Asserts a success that has nothing to say. */
export function expectNoBody({ data, error, response }: ClientAnswer<undefined, unknown>): void {
  if (!response.ok || data !== undefined) throw unexpected(response, error ?? data);
}

/** The body of an answer that must be this refusal. */
export function refusalOf<Refusal>(
  { data, error, response }: ClientAnswer<unknown, Refusal>,
  status: number,
): Refusal & {} {
  if (response.status !== status || error === undefined || error === null) throw unexpected(response, error ?? data);
  return error;
}

function unexpected({ url, status }: Response, body: unknown): Error {
  return new Error(`${url} was answered with ${status}: ${JSON.stringify(body)}`);
}
