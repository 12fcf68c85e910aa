import { createSecretKey } from 'node:crypto';
import { type JWTPayload, SignJWT } from 'jose';

/** An HS256 JWT as `AUTH_JWT_SECRET` accepts it, for the first credential of a development start, and for tests. */
export function mintDevelopmentJwt(secret: string, claims: JWTPayload, lifetimeSeconds: number): Promise<string> {
  const nowSeconds = Math.floor(Date.now() / 1000);
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + lifetimeSeconds)
    .sign(createSecretKey(secret, 'utf8'));
}
