import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from './http.js';
import type { Verdict } from './verification.js';

/** One question and what became of it. Moments are those of `performance.now()`. */
export interface Told {
  readonly token: string;
  readonly sentAt: number;
  readonly toldAt: number;
  /** 0 where the connection broke. */
  readonly status: number;
  readonly code: string | undefined;
}

/** Callers who ask about tokens, each one question after the other, until they are stopped. */
export class Load {
  readonly told: Told[] = [];
  private isStopped = false;
  private readonly callers: Promise<void>[];

  /** @param pauseMs between an answer and the next question */
  constructor(asker: Client, tokens: readonly string[], callers: number, pauseMs = 1) {
    this.callers = Array.from({ length: callers }, (_, index) => this.call(asker, tokens, index, pauseMs));
  }

  async stop(): Promise<readonly Told[]> {
    this.isStopped = true;
    await Promise.all(this.callers);
    return this.told;
  }

  private async call(asker: Client, tokens: readonly string[], first: number, pauseMs: number): Promise<void> {
    for (let turn = first; !this.isStopped; turn++) {
      this.told.push(await askOnce(asker, tokens[turn % tokens.length]!));
      await delay(pauseMs);
    }
  }
}

export async function askOnce(asker: Client, token: string): Promise<Told> {
  const sentAt = performance.now();
  const { status, code } = await asker.post<Partial<Verdict>>('/tokens/verify', { body: { token } }).then(
    ({ status, body }) => ({ status, code: body?.code }),
    () => ({ status: 0, code: undefined }),
  );
  return { token, sentAt, toldAt: performance.now(), status, code };
}

/** Asserts that every answer to a question within a span of time is one of these codes. */
export function expectOnly(
  told: readonly Told[],
  codes: readonly string[],
  span: { from?: number; to?: number } = {},
): void {
  const { from = -Infinity, to = Infinity } = span;
  const within = told.filter(({ sentAt, toldAt }) => sentAt >= from && toldAt <= to);
  expect(within.length).toBeGreaterThan(0);
  const others = within.filter(({ code }) => !codes.includes(code ?? ''));
  expect(
    others.map(({ status, code, sentAt }) => ({ status, code, millisecondsIn: Math.round(sentAt - from) })),
  ).toEqual([]);
}

/** The value that a share of the values does not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}
