import type { SharedLatch } from './shared-latch.js';

/** What a slot is asked to sign for: told to signers for their own records, never signed itself. */
export interface SigningRequest {
  /** Empty where no request asked for it: a trial of the key, a CRL, a responder's certificate. */
  readonly batchId: string;
  readonly index: number;
}

/** A key, opened in a worker thread. Synchronous: a worker does one thing at a time. */
export interface Signer {
  /** The key's public part as a SubjectPublicKeyInfo: compared with the issuer's certificate. */
  readonly subjectPKInfoDer: Uint8Array;
  /**
   * Signs a TBSCertificate; the octets of signatureValue in X.509 form (RFC 5280 4.1.1.3: ECDSA as
   * DER, RFC 3279 2.2.3), which MAY be overwritten by the next call. `tbs` is the caller's and is
   * overwritten afterwards. Throws where the key cannot be used: the slot is then taken out of service,
   * after FAULT_KEY_MISMATCH and FAULT_HSM_REFUSED for good.
   */
  sign(tbs: Uint8Array, request: SigningRequest): Uint8Array;
  /** Sessions and logins that it has restored so far, where it has any. */
  readonly repairs?: number;
  /** Gives back what outlives the thread, such as a session. Never throws. */
  close?(): void;
}

/** Octets and hash that signatures of the issuer's key are made with; `null` where the key implies it. */
export interface SignatureHashing {
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null;
}

/** What a slot keeps its key by; structured-cloneable and without secrets: it names where they lie. */
export type SlotSettings = Readonly<Record<string, string | number>>;

/** The latches of `SlotPlace.latches`, by name. */
export type SlotLatches = Readonly<Record<string, SharedLatch>>;

/**
 * Where keys are: a token of an HSM, or this process for keys in files. It holds the keys of any number
 * of issuers, which share its threads and its fate.
 */
export interface SlotPlace {
  /** Slots of the same id are in the same place. */
  readonly id: string;
  /** For people and metrics. */
  readonly name: string;
  /** Names of the latches that `openSigner` gets: what it may do only once at a time in the process. */
  readonly latches?: readonly string[];
  /** Keys are opened by this process alone: only a full machine makes that slow. */
  readonly isOwn?: true;
}

/**
 * One way to use an issuer's key: encrypted in a file, or inside an HSM. A slot is data, for keys and
 * sessions are opened in the workers only.
 */
export interface SigningSlot {
  /** Unique per issuer; appears in health and logs. */
  readonly name: string;
  readonly place: SlotPlace;
  /** URL of the module that workers import: a `SignerModule`. */
  readonly signerModule: string;
  readonly settings: SlotSettings;
  /** URL of a `SlotModule` that workers put around the signer, for audits and fault tests. */
  readonly slotModule?: string;
}

/** What the module behind `SigningSlot.signerModule` exports. */
export interface SignerModule {
  /**
   * Opens the key. Faults: CONFIG_INVALID where the settings are wrong, FAULT_HSM_LOST where the key
   * cannot be reached now, FAULT_HSM_REFUSED where trying again does harm. Errors MUST NOT carry secrets.
   */
  openSigner(
    settings: SlotSettings,
    hashing: SignatureHashing,
    latches: SlotLatches,
  ): Signer | Promise<Signer>;
}

/** What the module behind `SigningSlot.slotModule` exports. */
export interface SlotModule {
  wrapSigner(signer: Signer, slotName: string): Signer;
}
