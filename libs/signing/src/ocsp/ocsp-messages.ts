import type { ResponsesToSign, UnsignedOcspAnswer } from '@certmill/ports';
import type { PassphraseSource } from '../slots/software-slot.js';
import type { WorkerFault } from '../worker-pool/worker-fault.js';

/** A responder's key as it travels: encrypted, with where its passphrase lies. */
export interface ResponderKey {
  /** Names the key among those that a worker has opened. */
  readonly id: string;
  readonly certificateDer: Uint8Array;
  /** PKCS#8 (RFC 5958) of a P-256 key, PEM. */
  readonly encryptedKeyPem: string;
  readonly passphrase: PassphraseSource;
}

export interface AnswerTask {
  readonly key: ResponderKey;
  readonly answer: UnsignedOcspAnswer;
}

export interface ResponsesTask {
  readonly key: ResponderKey;
  readonly issuer: { readonly subjectDer: Uint8Array; readonly spkiDer: Uint8Array };
  readonly responses: ResponsesToSign;
}

/** One BasicOCSPResponse, or packed pairs of responses by place. */
export type OcspReply =
  { readonly kind: 'done'; readonly made: readonly (Uint8Array | undefined)[] } | WorkerFault;
