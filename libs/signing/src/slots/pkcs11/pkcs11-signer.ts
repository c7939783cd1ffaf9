import { CertmillError } from '@certmill/domain';
import type { SignatureHashing, Signer, SlotLatches, SlotSettings } from '../signing-slot.js';
import type { Handle } from './load-cryptoki.js';
import { faultOf, isRepairable } from './pkcs11-fault.js';
import { signingMethodOf, type SigningMethod } from './signing-method.js';
import { connectTo, type TokenConnection } from './token-connection.js';
import { findKey, type KeyReference, type TokenKey } from './token-key.js';

/** An RSA-8192 signature. */
const maxAnswerBytes = 8_192;

/** Opens a token's key, in this thread's session there. Faults: as `SignerModule.openSigner`. */
export function openSigner(
  settings: SlotSettings,
  hashing: SignatureHashing,
  latches: SlotLatches,
): Signer {
  let connection: TokenConnection | undefined;
  try {
    connection = connectTo(settings, latches);
    return new TokenSigner(connection, referenceIn(settings), hashing);
  } catch (error) {
    connection?.release();
    throw faultOf(error, String(settings['tokenLabel']));
  }
}

function referenceIn({ keyLabel, keyIdHex }: SlotSettings): KeyReference {
  return {
    ...(keyLabel === undefined ? {} : { keyLabel: String(keyLabel) }),
    ...(keyIdHex === undefined ? {} : { keyIdHex: String(keyIdHex) }),
  };
}

class TokenSigner implements Signer {
  readonly subjectPKInfoDer: Uint8Array;
  repairs = 0;
  private readonly connection: TokenConnection;
  private readonly reference: KeyReference;
  private readonly method: SigningMethod;
  private readonly mechanism: { readonly mechanism: number };
  private readonly answer = Buffer.allocUnsafeSlow(maxAnswerBytes);
  /** Of the key in the connection's session of this generation. */
  private key: Handle;
  private generation: number;

  /** The connection is its own until `close`, unless it throws. */
  constructor(connection: TokenConnection, reference: KeyReference, { hash }: SignatureHashing) {
    this.connection = connection;
    this.reference = reference;
    const key = this.findFirst();
    this.key = key.handle;
    this.generation = connection.generation;
    this.subjectPKInfoDer = key.subjectPKInfoDer;
    this.method = signingMethodOf(key.kind, hash, connection.cryptoki, connection.slot);
    this.mechanism = { mechanism: this.method.mechanism };
  }

  sign(tbs: Uint8Array): Uint8Array {
    const input = this.method.input(tbs);
    const { generation } = this.connection;
    try {
      // Another key's signer has renewed the session.
      if (this.generation !== generation) this.findAgain();
      return this.ask(input);
    } catch (error) {
      if (!isRepairable(error)) throw this.faultOf(error);
    }
    try {
      this.connection.renew(generation);
      this.findAgain();
      this.repairs++;
      return this.ask(input);
    } catch (error) {
      throw this.faultOf(error);
    }
  }

  close(): void {
    this.connection.release();
  }

  private ask(input: Buffer): Uint8Array {
    const { calls, session } = this.connection;
    calls.signInit(session, this.mechanism, this.key);
    return this.method.output(this.answer, calls.sign(session, input, this.answer));
  }

  /** The session may have been lost since another key was used. */
  private findFirst(): TokenKey {
    const { connection } = this;
    const { generation } = connection;
    try {
      return this.find();
    } catch (error) {
      if (!isRepairable(error)) throw error;
    }
    connection.renew(generation);
    return this.find();
  }

  private findAgain(): void {
    const { handle, subjectPKInfoDer } = this.find();
    this.key = handle;
    this.generation = this.connection.generation;
    if (Buffer.compare(subjectPKInfoDer, this.subjectPKInfoDer) !== 0) {
      throw new CertmillError(
        'FAULT_KEY_MISMATCH',
        `token ${this.connection.tokenLabel} came back with another key`,
      );
    }
  }

  private find(): TokenKey {
    const { cryptoki, session } = this.connection;
    return findKey(cryptoki, session, this.reference);
  }

  private faultOf(error: unknown): CertmillError {
    return faultOf(error, this.connection.tokenLabel);
  }
}
