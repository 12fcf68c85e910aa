import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import passport from 'passport';
import type { Principal } from '../access/principal.js';
import { Verifier } from '../verification/verifier.service.js';
import { findCredential, originOf } from './credential.js';

type Done = (error: unknown, principal?: Principal | null) => void;

/** The actions that passport puts on a strategy for the time of one request. */
interface Actions {
  success(user: unknown): void;
  fail(challenge: string): void;
  error(error: unknown): void;
}

/** A passport strategy for opaque bearer tokens (RFC 6750 §2.1). Steps aside where the credential is a JWT, or there is none. */
class OpaqueTokenStrategy extends passport.Strategy {
  constructor(private readonly verify: (request: FastifyRequest, secret: string, done: Done) => void) {
    super();
  }

  override authenticate(request: unknown): void {
    const actions = this as unknown as Actions;
    const secret = findCredential(request as FastifyRequest, 'api_token');
    if (secret === undefined) return actions.fail('there is no API token');
    this.verify(request as FastifyRequest, secret, (error, principal) => {
      if (error) actions.error(error);
      else if (principal) actions.success(principal);
      else actions.fail('the API token is not accepted');
    });
  }
}

/** Authenticates by a token that Keyward issued, with the verifier that everybody else's tokens go through. */
@Injectable()
export class ApiTokenStrategy extends PassportStrategy(OpaqueTokenStrategy, 'api-token') {
  constructor(private readonly verifier: Verifier) {
    super();
  }

  validate(request: FastifyRequest, secret: string): Promise<Principal> {
    return this.verifier.authenticate(secret, originOf(request), request.headers['user-agent']);
  }
}
