import { CKF_SERIAL_SESSION } from '../slots/pkcs11/cryptoki.js';
import { loadCryptoki, type Cryptoki, type Handle } from '../slots/pkcs11/load-cryptoki.js';

/** Logs this process out of a token, under the workers that use it. */
export function logOutOfToken(moduleFile: string, tokenLabel: string): void {
  const { cryptoki, slot } = tokenOf(moduleFile, tokenLabel);
  const session = cryptoki.C_OpenSession(slot, CKF_SERIAL_SESSION);
  cryptoki.C_Logout(session);
  cryptoki.C_CloseSession(session);
}

/** Closes every session that this process has on a token. */
export function closeTokenSessions(moduleFile: string, tokenLabel: string): void {
  const { cryptoki, slot } = tokenOf(moduleFile, tokenLabel);
  cryptoki.C_CloseAllSessions(slot);
}

function tokenOf(
  moduleFile: string,
  tokenLabel: string,
): { readonly cryptoki: Cryptoki; readonly slot: Handle } {
  const cryptoki = loadCryptoki(moduleFile);
  const slot = cryptoki
    .C_GetSlotList(true)
    .find((each) => cryptoki.C_GetTokenInfo(each).label.trimEnd() === tokenLabel);
  if (slot === undefined) throw new RangeError(`there is no token ${tokenLabel}`);
  return { cryptoki, slot };
}
