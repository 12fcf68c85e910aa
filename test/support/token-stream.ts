import { unique } from './callers.js';
import type { Client } from './http.js';
import type { IssuedToken } from './wire.js';

const CALLERS = 8;

/** A creation that got no answer: it may have happened. */
export interface Attempt {
  readonly key: string;
  readonly body: object;
}

/** Several callers who create one token after the other, until the service is no longer there. */
export class TokenStream {
  readonly acknowledged: IssuedToken[] = [];
  readonly unanswered: Attempt[] = [];
  readonly firstAcknowledgement: Promise<void>;
  /** When each of the callers has met a connection that broke. */
  readonly end: Promise<void>;

  constructor(client: Client, account: string) {
    let note = (): void => undefined;
    const first = new Promise<void>((resolve) => (note = resolve));
    const callers = Promise.all(Array.from({ length: CALLERS }, () => this.create(client, account, note)));
    this.end = callers.then(() => undefined);
    this.firstAcknowledgement = Promise.race([first, this.end]);
  }

  private async create(client: Client, account: string, note: () => void): Promise<void> {
    for (;;) {
      const attempt: Attempt = { key: unique('key'), body: { name: unique('Token'), scopes: ['api_tokens:read'] } };
      const options = { body: attempt.body, headers: { 'idempotency-key': attempt.key } };
      const answer = await client
        .post<IssuedToken>(`/service-accounts/${account}/tokens`, options)
        .catch(() => undefined);
      // Of a server that lost its database in the same moment, a 503 is no acknowledgement either.
      if (answer === undefined || answer.status >= 500) return void this.unanswered.push(attempt);
      if (answer.status !== 201) throw new Error(`expected 201, got ${answer.status}: ${answer.text}`);
      this.acknowledged.push(answer.body);
      note();
    }
  }
}
