/** Why a secret is not good, as far as the credential itself tells; VALID when nothing speaks against it. */
export type CredentialState = 'VALID' | 'REVOKED' | 'EXPIRED' | 'DISABLED' | 'SUSPENDED';

/** What a verification answers. */
export type VerificationCode =
  CredentialState | 'NOT_FOUND' | 'INSUFFICIENT_SCOPE' | 'FORBIDDEN_ADDRESS' | 'RATE_LIMITED';

const CODES: readonly VerificationCode[] = [
  'VALID',
  'NOT_FOUND',
  'REVOKED',
  'EXPIRED',
  'DISABLED',
  'SUSPENDED',
  'INSUFFICIENT_SCOPE',
  'FORBIDDEN_ADDRESS',
  'RATE_LIMITED',
];

/** How the JSON of each answer begins. */
export const BEGINNINGS = Object.fromEntries(
  CODES.map((code) => [code, `{"valid":${code === 'VALID'},"code":"${code}"`]),
) as Readonly<Record<VerificationCode, string>>;
