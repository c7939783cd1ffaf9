import { CertmillError } from '@certmill/domain';
import type { SignatureHashing, Signer, SlotLatches, SlotSettings } from '../signing-slot.js';
import {
  initialize,
  loadCryptoki,
  signCallsOf,
  type Cryptoki,
  type Handle,
  type SignCalls,
} from './load-cryptoki.js';
import { faultOf, isRepairable } from './pkcs11-fault.js';
import { signingMethodOf, type SigningMethod } from './signing-method.js';
import { findKey, type KeyReference, type TokenKey } from './token-key.js';
import { closeSession, openTokenSession, type TokenLogin } from './token-session.js';

/** An RSA-8192 signature. */
const maxAnswerBytes = 1_024;

/** Opens a session of this thread on a token's key. Faults: as `SignerModule.openSigner`. */
export function openSigner(
  settings: SlotSettings,
  hashing: SignatureHashing,
  latches: SlotLatches,
): Signer {
  return new TokenSigner(settings, hashing, latches);
}

class TokenSigner implements Signer {
  readonly subjectPKInfoDer: Uint8Array;
  repairs = 0;
  private readonly cryptoki: Cryptoki;
  private readonly calls: SignCalls;
  private readonly initializeOnce: () => void;
  private readonly login: TokenLogin;
  private readonly reference: KeyReference;
  private readonly method: SigningMethod;
  private readonly mechanism: { readonly mechanism: number };
  private readonly answer = Buffer.allocUnsafeSlow(maxAnswerBytes);
  private session: Handle;
  private key: Handle;

  constructor(settings: SlotSettings, { hash }: SignatureHashing, latches: SlotLatches) {
    const { moduleFile, tokenLabel, pinFile, keyLabel, keyIdHex } = settings;
    const { initializeLatch, loginLatch } = settings;
    this.cryptoki = loadCryptoki(String(moduleFile));
    this.calls = signCallsOf(this.cryptoki);
    this.initializeOnce = () => {
      initialize(this.cryptoki, latches[String(initializeLatch)]);
    };
    this.login = {
      tokenLabel: String(tokenLabel),
      pinFile: String(pinFile),
      latch: latches[String(loginLatch)],
    };
    this.reference = {
      ...(keyLabel === undefined ? {} : { keyLabel: String(keyLabel) }),
      ...(keyIdHex === undefined ? {} : { keyIdHex: String(keyIdHex) }),
    };
    const { slot, session, key } = this.open();
    this.session = session;
    this.key = key.handle;
    this.subjectPKInfoDer = key.subjectPKInfoDer;
    try {
      this.method = signingMethodOf(key.kind, hash, this.cryptoki, slot);
    } catch (error) {
      this.close();
      throw this.faultOf(error);
    }
    this.mechanism = { mechanism: this.method.mechanism };
  }

  sign(tbs: Uint8Array): Uint8Array {
    const input = this.method.input(tbs);
    try {
      return this.ask(input);
    } catch (error) {
      if (!isRepairable(error)) throw this.faultOf(error);
    }
    this.repair();
    try {
      return this.ask(input);
    } catch (error) {
      throw this.faultOf(error);
    }
  }

  close(): void {
    closeSession(this.cryptoki, this.session);
  }

  private ask(input: Buffer): Uint8Array {
    this.calls.signInit(this.session, this.mechanism, this.key);
    return this.method.output(this.answer, this.calls.sign(this.session, input, this.answer));
  }

  private open(): { readonly slot: Handle; readonly session: Handle; readonly key: TokenKey } {
    try {
      this.initializeOnce();
      const { slot, session } = openTokenSession(this.cryptoki, this.login);
      try {
        return { slot, session, key: findKey(this.cryptoki, session, this.reference) };
      } catch (error) {
        closeSession(this.cryptoki, session);
        throw error;
      }
    } catch (error) {
      throw this.faultOf(error);
    }
  }

  /** A new session first, then the old one's end: a token logs out with its last session. */
  private repair(): void {
    const { session, key } = this.open();
    closeSession(this.cryptoki, this.session);
    this.session = session;
    this.key = key.handle;
    if (Buffer.compare(key.subjectPKInfoDer, this.subjectPKInfoDer) !== 0) {
      throw new CertmillError(
        'FAULT_KEY_MISMATCH',
        `token ${this.login.tokenLabel} came back with another key`,
      );
    }
    this.repairs++;
  }

  private faultOf(error: unknown): CertmillError {
    return faultOf(error, this.login.tokenLabel);
  }
}
