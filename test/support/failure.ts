/** A failed expectation, shown by jest at the line that called `expectation` and not inside of it. */
export function failureAt(expectation: (...inputs: never[]) => unknown, message: string): Error {
  const error = new Error(message);
  Error.captureStackTrace(error, expectation);
  return error;
}
