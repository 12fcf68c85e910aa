import { Injectable } from '@nestjs/common';
import { normalizeAddress } from '../common/ip-address.js';
import { Config } from '../config/config.js';
import { invalidAt, Refusal } from '../errors/refusal.js';
import { type Asker, boundsOf, requireAsker } from './asker.js';
import { BEGINNINGS } from './verification-code.js';
import type { PlaneRequest } from './plane-request.js';
import { type Verification, type VerificationRequest, Verifier } from './verifier.service.js';

const SCOPES_ASKED_MAX = 100;
const COST_MAX = 1_000_000;
const NO_SCOPES: readonly string[] = [];

/** Reads questions about tokens and writes the answers, by hand: this is what every request of every microservice waits for. */
@Injectable()
export class VerificationEndpoint {
  constructor(
    private readonly verifier: Verifier,
    private readonly config: Config,
  ) {}

  /** POST /tokens/verify: the answer as JSON text, at once where it can be. */
  verify(request: PlaneRequest): string | Promise<string> {
    const asker = requireAsker(this.verifier, request);
    if (asker instanceof Promise) return asker.then((late) => this.answer(late, request));
    return this.answer(asker, request);
  }

  /** POST /tokens/verify-batch: the answers in the order of the questions. */
  async verifyBatch(request: PlaneRequest): Promise<string> {
    const asker = await requireAsker(this.verifier, request);
    const members = membersOf(request.body, 'body');
    for (const name in members) if (name !== 'tokens') throw invalidAt(`body.${name}`, 'unexpected property');
    const { tokens } = members;
    const countMax = this.config.settings.VERIFY_BATCH_MAX;
    if (!Array.isArray(tokens) || tokens.length > countMax)
      throw invalidAt('body.tokens', `must be a list of at most ${countMax} questions`);
    const questions = tokens.map((token, index) => readQuestion(token, `body.tokens[${index}]`, asker, request));
    const verifications = await this.verifier.verifyMany(questions);
    return `{"results":[${verifications.map(render).join(',')}]}`;
  }

  private answer(asker: Asker, request: PlaneRequest): string | Promise<string> {
    const verification = this.verifier.verify(readQuestion(request.body, 'body', asker, request));
    return verification instanceof Promise ? verification.then(render) : render(verification);
  }
}

function render({ code, credential, rate }: Verification): string {
  const state =
    rate === undefined
      ? ''
      : `,"rateLimit":{"limit":${rate.limit},"remaining":${rate.remaining},"resetSeconds":${rate.resetSeconds}}`;
  return credential === undefined ? `${BEGINNINGS[code]}${state}}` : credential.verification(code, state);
}

function membersOf(body: unknown, location: string): Record<string, unknown> {
  if (body === undefined && location === 'body') throw new Refusal('request.body_missing');
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw invalidAt(location, 'must be an object');
  return body as Record<string, unknown>;
}

function readQuestion(body: unknown, location: string, asker: Asker, request: PlaneRequest): VerificationRequest {
  const members = membersOf(body, location);
  for (const name in members) if (!isMember(name)) throw invalidAt(`${location}.${name}`, 'unexpected property');
  const { token, scopes, ipAddress, cost } = members;
  if (typeof token !== 'string') throw invalidAt(`${location}.token`, 'must be text');
  if (ipAddress !== undefined && (typeof ipAddress !== 'string' || normalizeAddress(ipAddress) === undefined)) {
    throw invalidAt(`${location}.ipAddress`, 'must be an IPv4 or IPv6 address', ipAddress);
  }
  if (cost !== undefined && !(typeof cost === 'number' && Number.isInteger(cost) && cost >= 0 && cost <= COST_MAX)) {
    throw invalidAt(`${location}.cost`, `must be a whole number from 0 to ${COST_MAX}`, cost);
  }
  return {
    secret: token,
    scopes: scopes === undefined ? NO_SCOPES : readScopes(scopes, location),
    ipAddress,
    userAgent: undefined, // that of the bearer is not known to whoever asks for them
    cost: cost ?? 1,
    failureAddress: ipAddress ?? request.ip,
    withinOrganizationId: boundsOf(asker),
  };
}

function isMember(name: string): boolean {
  return name === 'token' || name === 'scopes' || name === 'ipAddress' || name === 'cost';
}

function readScopes(scopes: unknown, location: string): readonly string[] {
  const isSound =
    Array.isArray(scopes) && scopes.length <= SCOPES_ASKED_MAX && scopes.every((scope) => typeof scope === 'string');
  if (!isSound) throw invalidAt(`${location}.scopes`, `must be a list of at most ${SCOPES_ASKED_MAX} scopes`);
  return scopes;
}
