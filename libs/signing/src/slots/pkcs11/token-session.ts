import { CertmillError } from '@certmill/domain';
import type { SharedLatch } from '../shared-latch.js';
import {
  CKF_SERIAL_SESSION,
  CKF_USER_PIN_FINAL_TRY,
  CKF_USER_PIN_LOCKED,
  CKR_USER_ALREADY_LOGGED_IN,
  CKS_RO_USER_FUNCTIONS,
  CKS_RW_USER_FUNCTIONS,
  CKU_USER,
} from './cryptoki.js';
import { maxLatchWaitMs, type Cryptoki, type Handle } from './load-cryptoki.js';
import { isPinRefusal, returnValueOf } from './pkcs11-fault.js';
import { withPin } from './pin-file.js';

/** A token may show up late: where several processes start at once, and after it was away. */
const slotLooks = 10;
const pauseBetweenLooksMs = 100;

export interface TokenLogin {
  readonly tokenLabel: string;
  readonly pinFile: string;
  /** Of all threads that log in to the token; closed once it refused the PIN. */
  readonly latch: SharedLatch | undefined;
}

/**
 * Opens a session on the token of this label, logged in. A login is the process's: one thread does it,
 * the others find it done. Faults: CONFIG_INVALID, FAULT_HSM_LOST, FAULT_HSM_BUSY, FAULT_HSM_REFUSED.
 */
export function openTokenSession(
  cryptoki: Cryptoki,
  login: TokenLogin,
  flags = CKF_SERIAL_SESSION,
): { readonly slot: Handle; readonly session: Handle } {
  const slot = findSlot(cryptoki, login.tokenLabel);
  const session = cryptoki.C_OpenSession(slot, flags);
  try {
    logIn(cryptoki, slot, session, login);
    return { slot, session };
  } catch (error) {
    closeSession(cryptoki, session);
    throw error;
  }
}

export function closeSession(cryptoki: Cryptoki, session: Handle): void {
  try {
    cryptoki.C_CloseSession(session);
  } catch {
    // It was lost before.
  }
}

function findSlot(cryptoki: Cryptoki, tokenLabel: string): Handle {
  for (let look = 1; ; look++) {
    const found = slotsOf(cryptoki, tokenLabel);
    const [slot] = found;
    if (found.length > 1) {
      throw new CertmillError('CONFIG_INVALID', `several tokens have the label ${tokenLabel}`);
    }
    if (slot !== undefined) return slot;
    if (look === slotLooks) {
      throw new CertmillError('FAULT_HSM_LOST', `no slot has a token with the label ${tokenLabel}`);
    }
    pause(pauseBetweenLooksMs);
  }
}

function slotsOf(cryptoki: Cryptoki, tokenLabel: string): Handle[] {
  return cryptoki.C_GetSlotList(true).filter((slot) => {
    try {
      return cryptoki.C_GetTokenInfo(slot).label.trimEnd() === tokenLabel;
    } catch {
      // Another token, which is going away or is not recognised, is no reason against this one.
      return false;
    }
  });
}

function logIn(
  cryptoki: Cryptoki,
  slot: Handle,
  session: Handle,
  { tokenLabel, pinFile, latch }: TokenLogin,
): void {
  if (isLoggedIn(cryptoki, session)) return;
  const work = (): void => {
    if (isLoggedIn(cryptoki, session)) return;
    const { flags } = cryptoki.C_GetTokenInfo(slot);
    // Nor is the last try before it locks ours to take: a supervisor may start us again and again.
    if ((flags & (CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED)) !== 0) {
      latch?.close();
      throw refused(tokenLabel, 'is locked or has one try left');
    }
    withPin(pinFile, (pin) => {
      try {
        cryptoki.C_Login(session, CKU_USER, pin);
      } catch (error) {
        if (returnValueOf(error) === CKR_USER_ALREADY_LOGGED_IN) return;
        if (!isPinRefusal(error)) throw error;
        latch?.close();
        throw refused(tokenLabel, 'refuses the PIN', error);
      }
    });
  };
  const entered = latch === undefined ? 'done' : latch.run(work, maxLatchWaitMs);
  if (latch === undefined) work();
  if (entered === 'closed') throw refused(tokenLabel, 'refused the PIN before');
  if (entered === 'timed-out') {
    throw new CertmillError(
      'FAULT_HSM_BUSY',
      `another thread is logging in to token ${tokenLabel}`,
    );
  }
}

function refused(tokenLabel: string, what: string, cause?: unknown): CertmillError {
  return new CertmillError(
    'FAULT_HSM_REFUSED',
    `token ${tokenLabel} ${what}: it is not tried again before a restart`,
    { cause },
  );
}

function isLoggedIn(cryptoki: Cryptoki, session: Handle): boolean {
  const { state } = cryptoki.C_GetSessionInfo(session);
  return state === CKS_RO_USER_FUNCTIONS || state === CKS_RW_USER_FUNCTIONS;
}

/** A worker does one thing at a time, and it is this. */
function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
