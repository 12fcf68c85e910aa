import { Refusal } from '../errors/refusal.js';

/**
 * The refusal of a credential that is not accepted. The reason is for the log: a caller who learns whether it was the
 * signature or the audience learns how to do better with a forged one.
 * @param reason a fixed sentence or the message of jose; never a part of the credential
 */
export function invalidCredential(reason: string): Refusal {
  return new Refusal('authentication.invalid', undefined, { cause: new Error(reason) });
}
