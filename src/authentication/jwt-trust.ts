import { createSecretKey, type KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import {
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  jwtVerify,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
} from 'jose';
import { Config } from '../config/config.js';
import { invalidCredential } from './invalid-credential.js';
import { IssuerKeys } from './issuer-keys.js';
import { isStorableText } from './storable-text.js';

/** A JWT whose signature, times, issuer and audience are good. */
export interface VerifiedJwt {
  /** Who vouches for the subject; identity is issuer and subject together. */
  readonly issuer: string;
  readonly claims: JWTPayload;
}

/** Longest JWT that is looked at. */
const JWT_CHARACTERS_MAX = 16 * 1024;
/** The issuer of HS256 JWTs that name none. */
const DEFAULT_ISSUER = 'keyward';
const ISSUER_LENGTH_MAX = 255;
const DEFAULT_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'];
const REQUIRED_CLAIMS = ['exp', 'sub'];

/**
 * Decides whether a JWT is to be believed. There are two sources of trust, and the algorithm in its header picks one
 * before any key is touched: HS256 is checked with AUTH_JWT_SECRET and nothing else, the pinned asymmetric algorithms
 * with the keys of AUTH_ISSUER and nothing else, and every other algorithm is refused, `none` above all (RFC 8725 §3.1,
 * §3.2). So a public key can never serve as an HMAC secret, whatever a header says.
 */
@Injectable()
export class JwtTrust {
  private readonly secret: KeyObject | undefined;
  private readonly issuerKeys: IssuerKeys | undefined;
  private readonly algorithms: string[];

  constructor(private readonly config: Config) {
    const { AUTH_ISSUER, AUTH_ISSUER_TIMEOUT_MS, AUTH_ALGORITHMS } = config.settings;
    this.secret = config.jwtSecret === undefined ? undefined : createSecretKey(config.jwtSecret, 'utf8');
    this.issuerKeys = AUTH_ISSUER === '' ? undefined : new IssuerKeys(AUTH_ISSUER, AUTH_ISSUER_TIMEOUT_MS);
    const pinned = AUTH_ALGORITHMS.length > 0 ? AUTH_ALGORITHMS : DEFAULT_ALGORITHMS;
    // RFC 9864 §2.2: EdDSA over this curve is called Ed25519 now; jose takes no other curve under the old name.
    this.algorithms = pinned.includes('EdDSA') ? [...pinned, 'Ed25519'] : [...pinned];
  }

  /** @throws Refusal authentication.invalid with the reason as its cause, or authentication.unavailable */
  async verify(jwt: string): Promise<VerifiedJwt> {
    if (jwt.length > JWT_CHARACTERS_MAX) throw invalidCredential('the JWT is too long');
    const algorithm = algorithmOf(jwt);
    try {
      return algorithm === 'HS256' ? await this.verifyWithSecret(jwt) : await this.verifyWithIssuer(jwt, algorithm);
    } catch (error) {
      if (error instanceof errors.JOSEError) throw invalidCredential(error.message);
      throw error;
    }
  }

  private async verifyWithSecret(jwt: string): Promise<VerifiedJwt> {
    if (this.secret === undefined) throw invalidCredential('HS256 is not accepted: AUTH_JWT_SECRET is not set');
    const { payload: claims } = await jwtVerify(jwt, this.secret, this.options(['HS256']));
    const { AUTH_AUDIENCE, AUTH_ISSUER } = this.config.settings;
    const audiences: unknown[] = [claims.aud].flat();
    if (
      claims.aud !== undefined &&
      AUTH_AUDIENCE.length > 0 &&
      !AUTH_AUDIENCE.some((audience) => audiences.includes(audience))
    ) {
      throw invalidCredential('the audience is another');
    }
    const { iss: issuer = DEFAULT_ISSUER }: { iss?: unknown } = claims;
    if (!isStorableText(issuer, ISSUER_LENGTH_MAX)) throw invalidCredential('the claim iss cannot be used');
    // Whoever holds the secret could otherwise speak as any person that the issuer vouches for.
    if (issuer === AUTH_ISSUER) throw invalidCredential('an HS256 JWT claims to be of AUTH_ISSUER');
    return { issuer, claims };
  }

  private async verifyWithIssuer(jwt: string, algorithm: string): Promise<VerifiedJwt> {
    const { issuerKeys } = this;
    if (issuerKeys === undefined || !this.algorithms.includes(algorithm))
      throw invalidCredential('the algorithm is not accepted');
    const { AUTH_ISSUER, AUTH_AUDIENCE } = this.config.settings;
    const findKey: JWTVerifyGetKey = (header) => issuerKeys.find(header);
    const options = { ...this.options(this.algorithms), issuer: AUTH_ISSUER, audience: [...AUTH_AUDIENCE] };
    const { payload: claims } = await jwtVerify(jwt, findKey, options);
    return { issuer: AUTH_ISSUER, claims };
  }

  /** The algorithms are pinned here once more: jose refuses the others by itself. */
  private options(algorithms: string[]): JWTVerifyOptions {
    return {
      algorithms,
      requiredClaims: REQUIRED_CLAIMS,
      clockTolerance: this.config.settings.AUTH_CLOCK_TOLERANCE_SECONDS,
    };
  }
}

function algorithmOf(jwt: string): string {
  try {
    return decodeProtectedHeader(jwt).alg ?? 'none';
  } catch {
    throw invalidCredential('the header of the JWT cannot be read');
  }
}
