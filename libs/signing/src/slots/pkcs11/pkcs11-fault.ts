import { CertmillError, isCertmillError, type FaultCode } from '@certmill/domain';
import {
  CKR_CRYPTOKI_NOT_INITIALIZED,
  CKR_DEVICE_REMOVED,
  CKR_KEY_FUNCTION_NOT_PERMITTED,
  CKR_KEY_HANDLE_INVALID,
  CKR_KEY_SIZE_RANGE,
  CKR_KEY_TYPE_INCONSISTENT,
  CKR_MECHANISM_INVALID,
  CKR_OBJECT_HANDLE_INVALID,
  CKR_OPERATION_ACTIVE,
  CKR_OPERATION_NOT_INITIALIZED,
  CKR_PIN_EXPIRED,
  CKR_PIN_INCORRECT,
  CKR_PIN_INVALID,
  CKR_PIN_LEN_RANGE,
  CKR_PIN_LOCKED,
  CKR_SESSION_CLOSED,
  CKR_SESSION_COUNT,
  CKR_SESSION_HANDLE_INVALID,
  CKR_SLOT_ID_INVALID,
  CKR_TOKEN_NOT_PRESENT,
  CKR_TOKEN_NOT_RECOGNIZED,
  CKR_USER_NOT_LOGGED_IN,
  CKR_USER_PIN_NOT_INITIALIZED,
} from './cryptoki.js';

/** What a new session, a new login and a second look at the token can mend. */
const repairable: ReadonlySet<number | undefined> = new Set([
  CKR_SESSION_CLOSED,
  CKR_SESSION_HANDLE_INVALID,
  CKR_USER_NOT_LOGGED_IN,
  // Of a key that went away with its login or its token.
  CKR_KEY_HANDLE_INVALID,
  CKR_OBJECT_HANDLE_INVALID,
  CKR_SLOT_ID_INVALID,
  CKR_DEVICE_REMOVED,
  CKR_TOKEN_NOT_PRESENT,
  CKR_TOKEN_NOT_RECOGNIZED,
  // What a signature that was broken off leaves in its session.
  CKR_OPERATION_ACTIVE,
  CKR_OPERATION_NOT_INITIALIZED,
  CKR_CRYPTOKI_NOT_INITIALIZED,
]);

/** Each further try brings the token nearer to locking its user out. */
const pinRefusals: ReadonlySet<number | undefined> = new Set([
  CKR_PIN_INCORRECT,
  CKR_PIN_INVALID,
  CKR_PIN_LEN_RANGE,
  CKR_PIN_EXPIRED,
  CKR_PIN_LOCKED,
  CKR_USER_PIN_NOT_INITIALIZED,
]);

const faultCodes: ReadonlyMap<number | undefined, FaultCode> = new Map([
  [CKR_SESSION_COUNT, 'FAULT_HSM_BUSY'],
  [CKR_MECHANISM_INVALID, 'CONFIG_INVALID'],
  [CKR_KEY_FUNCTION_NOT_PERMITTED, 'CONFIG_INVALID'],
  [CKR_KEY_TYPE_INCONSISTENT, 'CONFIG_INVALID'],
  [CKR_KEY_SIZE_RANGE, 'CONFIG_INVALID'],
]);

/** The CK_RV that a module answered, where `error` is such an answer: `NAME:number`, or in `code`. */
export function returnValueOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('code' in error && typeof error.code === 'number') return error.code;
  const told = /^CKR_\w+:(\d+)$/.exec(error.message)?.[1];
  return told === undefined ? undefined : Number(told);
}

export function isRepairable(error: unknown): boolean {
  return repairable.has(returnValueOf(error));
}

export function isPinRefusal(error: unknown): boolean {
  return pinRefusals.has(returnValueOf(error));
}

/** The one place where a module's answers become faults; what it said is the cause. */
export function faultOf(error: unknown, tokenLabel: string): CertmillError {
  if (isCertmillError(error)) return error;
  const value = returnValueOf(error);
  const said = value === undefined ? 'failed' : `answered 0x${value.toString(16)}`;
  return new CertmillError(
    faultCodes.get(value) ?? 'FAULT_HSM_LOST',
    `the module of token ${tokenLabel} ${said}`,
    { cause: error },
  );
}
