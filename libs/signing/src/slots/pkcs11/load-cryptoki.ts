import { createRequire } from 'node:module';
import type * as pkcs11js from 'pkcs11js';
import { CertmillError } from '@certmill/domain';
import type { SharedLatch } from '../shared-latch.js';
import { CKF_OS_LOCKING_OK, CKR_CRYPTOKI_ALREADY_INITIALIZED } from './cryptoki.js';
import { returnValueOf } from './pkcs11-fault.js';

export type Cryptoki = pkcs11js.PKCS11;
export type Handle = pkcs11js.Handle;

/** Longest wait for another thread that initialises the module or logs in. */
export const maxLatchWaitMs = 5_000;

/** Loads a PKCS#11 module into the process. Faults: CONFIG_INVALID. */
export function loadCryptoki(moduleFile: string): Cryptoki {
  const { PKCS11 } = binding();
  try {
    const cryptoki = new PKCS11();
    cryptoki.load(moduleFile);
    // Once more: at the end of its thread the binding gives one of the two loads back, so a module with
    // threads of its own stays in the process.
    cryptoki.load(moduleFile);
    return cryptoki;
  } catch (cause) {
    throw new CertmillError('CONFIG_INVALID', `the PKCS#11 module ${moduleFile} cannot be loaded`, {
      cause,
    });
  }
}

/** The two calls of every signature. */
export interface SignCalls {
  signInit(session: Handle, mechanism: { readonly mechanism: number }, key: Handle): void;
  /** Octets of the signature, which is at the begin of `answer`. */
  sign(session: Handle, input: Buffer, answer: Buffer): number;
}

/**
 * The calls as the addon has them, without what the binding puts around each: it makes arrays and a view
 * per call, 1 us of a signature's 38 (pkcs11.bench.ts). What they throw has the CK_RV in its message.
 */
export function signCallsOf(cryptoki: Cryptoki): SignCalls {
  const addon = Object.getPrototypeOf(Object.getPrototypeOf(cryptoki)) as {
    readonly C_SignInit: SignCalls['signInit'];
    readonly C_Sign: SignCalls['sign'];
  };
  const { C_SignInit, C_Sign } = addon;
  return { signInit: C_SignInit.bind(cryptoki), sign: C_Sign.bind(cryptoki) };
}

/** A module is initialised once per process, and by one thread at a time (PKCS#11 5.4). */
export function initialize(cryptoki: Cryptoki, latch: SharedLatch | undefined): void {
  const work = (): void => {
    try {
      cryptoki.C_Initialize({ flags: CKF_OS_LOCKING_OK });
    } catch (error) {
      if (returnValueOf(error) !== CKR_CRYPTOKI_ALREADY_INITIALIZED) throw error;
    }
  };
  if (latch === undefined) {
    work();
    return;
  }
  if (latch.run(work, maxLatchWaitMs) !== 'done') {
    throw new CertmillError('FAULT_HSM_BUSY', 'another thread is initialising the PKCS#11 module');
  }
}

function binding(): typeof pkcs11js {
  try {
    return createRequire(import.meta.url)('pkcs11js') as typeof pkcs11js;
  } catch (cause) {
    throw new CertmillError(
      'CONFIG_INVALID',
      'PKCS#11 slots need the optional package pkcs11js, which is not installed',
      { cause },
    );
  }
}
