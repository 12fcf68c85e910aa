import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { Strategy } from 'passport-jwt';
import type { Principal } from '../access/principal.js';
import { Config } from '../config/config.js';
import { Provisioning } from '../organizations/provisioning.service.js';
import { findJwt, originOf } from './credential.js';
import { readIdentity } from './jwt-identity.js';
import { JwtTrust, type VerifiedJwt } from './jwt-trust.js';

/**
 * passport-jwt verifies with jsonwebtoken, which knows no EdDSA and no key sets; it lets its verifier be replaced
 * (passport-jwt/lib/strategy.js, `JwtVerifier`). The hook is one for the whole process, so the trust comes with each call,
 * in the place of the key. What it hands on is the running verification and never an error: passport-jwt makes every
 * error of its verifier a 401, where an issuer that is down is a 503 and a fault of ours a 500.
 */
type JwtVerifier = (
  jwt: string,
  trust: JwtTrust,
  options: unknown,
  done: (error: null, verification: Promise<VerifiedJwt>) => void,
) => void;
(Strategy as unknown as { JwtVerifier: JwtVerifier }).JwtVerifier = (jwt, trust, _options, done) =>
  done(null, trust.verify(jwt));

/** Authenticates people by the JWT of their identity provider. */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor(
    trust: JwtTrust,
    private readonly provisioning: Provisioning,
    private readonly config: Config,
  ) {
    super({
      jwtFromRequest: (request: FastifyRequest) => findJwt(request) ?? null,
      secretOrKeyProvider: (_request: unknown, _jwt: unknown, done: (error: unknown, key: never) => void) =>
        done(null, trust as never),
      passReqToCallback: true,
    });
  }

  async validate(request: FastifyRequest, verification: Promise<VerifiedJwt>): Promise<Principal> {
    const { AUTH_ORG_CLAIM, AUTH_ROLE_CLAIM, AUTH_SCOPE_CLAIM, AUTH_SCOPE_PREFIX } = this.config.settings;
    const claimNames = { organization: AUTH_ORG_CLAIM, role: AUTH_ROLE_CLAIM, scope: AUTH_SCOPE_CLAIM };
    const identity = readIdentity(await verification, claimNames, AUTH_SCOPE_PREFIX);
    return this.provisioning.admit(identity, originOf(request));
  }
}
