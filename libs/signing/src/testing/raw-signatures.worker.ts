import { findKey, type TokenKey } from '../slots/pkcs11/token-key.js';
import { CKM_ECDSA } from '../slots/pkcs11/cryptoki.js';
import {
  loadCryptoki,
  initialize,
  type Cryptoki,
  type Handle,
} from '../slots/pkcs11/load-cryptoki.js';
import { openTokenSession } from '../slots/pkcs11/token-session.js';

export interface RawOpening {
  readonly moduleFile: string;
  readonly tokenLabel: string;
  readonly pinFile: string;
  readonly keyLabel: string;
}

const digest = Buffer.alloc(32, 7);
const answer = Buffer.alloc(64);
let opened: { cryptoki: Cryptoki; session: Handle; key: TokenKey } | undefined;

export function open({ moduleFile, keyLabel, ...login }: RawOpening): void {
  const cryptoki = loadCryptoki(moduleFile);
  initialize(cryptoki, undefined);
  const { session } = openTokenSession(cryptoki, { ...login, latch: undefined });
  opened = { cryptoki, session, key: findKey(cryptoki, session, { keyLabel }) };
}

/** Nothing but the module's ECDSA signatures of one digest, for so long; how many they were. */
export function signRaw(milliseconds: number): number {
  if (opened === undefined) return 0;
  const { cryptoki, session, key } = opened;
  const mechanism = { mechanism: CKM_ECDSA };
  const end = performance.now() + milliseconds;
  let count = 0;
  while (performance.now() < end) {
    for (let i = 0; i < 50; i++) {
      cryptoki.C_SignInit(session, mechanism, key.handle);
      cryptoki.C_Sign(session, digest, answer);
    }
    count += 50;
  }
  return count;
}
