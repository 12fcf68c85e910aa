import { failureAt } from './failure.js';
import type { Answer } from './http.js';
import type { Problem } from './wire.js';

/** Asserts that an answer is a whole problem+json body of this status and code, and hands it back. */
export function expectProblem(answer: Answer, status: number, code: string): Problem {
  const problem = answer.body as Problem;
  if (answer.status !== status || problem?.code !== code) {
    throw failureAt(expectProblem, `expected ${status} ${code}, got ${answer.status}: ${answer.text}`);
  }
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json\b/);
  expect(problem).toMatchObject({
    type: expect.stringMatching(new RegExp(`^https?://.+/problems/${code.replaceAll('.', '\\.')}$`)),
    title: expect.stringMatching(/\S/),
    status,
    detail: expect.stringMatching(/\S/),
    instance: expect.stringMatching(/^\//),
    requestId: answer.headers.get('x-request-id'),
  });
  return problem;
}

/** Asserts a 422 that names this one place. */
export function expectInvalid(answer: Answer, location: string): Problem {
  const problem = expectProblem(answer, 422, 'request.invalid');
  expect(problem.errors?.map((error) => error.location)).toEqual([location]);
  return problem;
}
