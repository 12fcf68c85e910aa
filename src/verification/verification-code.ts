/** Why a secret is not good, as far as the credential itself tells; VALID when nothing speaks against it. */
export type CredentialState = 'VALID' | 'REVOKED' | 'EXPIRED' | 'DISABLED' | 'SUSPENDED';

/** What a verification answers. */
export type VerificationCode =
  CredentialState | 'NOT_FOUND' | 'INSUFFICIENT_SCOPE' | 'FORBIDDEN_ADDRESS' | 'RATE_LIMITED';
