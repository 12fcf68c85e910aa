/** Why a secret is not good, as far as the credential itself tells; VALID when nothing speaks against it. */
export type CredentialState = 'VALID' | 'REVOKED' | 'EXPIRED' | 'DISABLED' | 'SUSPENDED';

/** What a verification answers. */
export const VERIFICATION_CODES = [
  'VALID',
  'NOT_FOUND',
  'REVOKED',
  'EXPIRED',
  'DISABLED',
  'SUSPENDED',
  'INSUFFICIENT_SCOPE',
  'FORBIDDEN_ADDRESS',
  'RATE_LIMITED',
] as const;
export type VerificationCode = (typeof VERIFICATION_CODES)[number];

/** Something for each code. */
export function forEachCode<T>(make: (code: VerificationCode) => T): Record<VerificationCode, T> {
  return Object.fromEntries(VERIFICATION_CODES.map((code) => [code, make(code)])) as Record<VerificationCode, T>;
}

/** How the JSON of each answer begins. */
export const BEGINNINGS = forEachCode((code) => `{"valid":${code === 'VALID'},"code":"${code}"`);
