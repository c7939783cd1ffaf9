import type { SerialKey, StatusAddresses, TenantId } from '@certmill/domain';
import type { CrlToSign } from '@certmill/ports';
import type { SigningHash } from '../slots/signature-scheme.js';
import type { SigningSlot } from '../slots/signing-slot.js';
import type { BoundOrder } from './issuance-rules.js';
import type { WorkerFault } from '../worker-pool/worker-fault.js';
import type { SlotUsage } from './slot-usage.js';

/** What every worker of a place is started with. */
export interface SlotWorkerData {
  readonly serialKeys: readonly SerialKey[];
  /** Memory of the place's latches, by name. */
  readonly latches: Readonly<Record<string, SharedArrayBuffer>>;
  /** Who takes them. */
  readonly latchOwner: number;
}

/**
 * What opens an issuer's key in a worker. It goes with every task, for a worker keeps the sessions of
 * some issuers only.
 */
export interface IssuerOpening {
  /** Never of another issuer, slot or certificate: what a worker keeps the session by. */
  readonly id: string;
  readonly issuerName: string;
  /** Absent: every tenant. */
  readonly tenants?: readonly TenantId[];
  /** Absent: every order. */
  readonly order?: BoundOrder;
  readonly issuerCertificateDer: Uint8Array;
  /** The certificates above it, the root last: names are held against their constraints too. */
  readonly aboveDer: readonly Uint8Array[];
  readonly status?: StatusAddresses;
  readonly rsaHash: SigningHash;
  readonly slot: Omit<SigningSlot, 'place'>;
}

/**
 * All that is done with an issuer's key. A kind is a handler (`KeyTaskHandler`) in a module of its own,
 * which `sign.worker.ts` exports under the kind's name, and on the main side a method of `SigningPools`
 * that has a `KeyTask` run. What it signs is built by the handler: no task brings bytes along that only
 * want a signature.
 */
export interface KeyTaskKinds {
  readonly signChunk: { readonly input: ChunkToSign; readonly result: IssuedCertificates };
  readonly signCrl: { readonly input: CrlToSign; readonly result: IssuedCrl };
  readonly certifyResponder: {
    readonly input: ResponderToCertify;
    readonly result: { readonly certificateDer: Uint8Array<ArrayBuffer> };
  };
}

export type KeyTaskKind = keyof KeyTaskKinds;

/** What goes to the worker. */
export interface KeyTaskMessage<K extends KeyTaskKind = KeyTaskKind> {
  readonly issuer: IssuerOpening;
  readonly input: KeyTaskKinds[K]['input'];
  /** True for the first task after a failure: every signature is verified. */
  readonly verifyAll: boolean;
}

export interface ChunkToSign {
  /** The encoded ReceivedChunk, then the encoded Verdict; moved. */
  readonly chunk: ArrayBuffer;
  readonly receivedBytes: number;
  /** The canonical profile; small enough to go with every chunk, and compiled once per worker. */
  readonly profile: string;
}

export interface IssuedCertificates {
  /** Back to back; the whole of its buffer, which the caller owns. */
  readonly certificatesDer: Uint8Array<ArrayBuffer>;
  /** 0 where the verdict rejected the request. */
  readonly certificateLengths: Uint32Array<ArrayBuffer>;
}

export interface IssuedCrl {
  /** CertificateList (RFC 5280 5.1). */
  readonly der: Uint8Array;
}

/** A delegated OCSP responder's key; times in seconds. */
export interface ResponderToCertify {
  readonly subjectPKInfoDer: Uint8Array;
  readonly notBeforeSeconds: number;
  readonly notAfterSeconds: number;
}

/** The issuer's key cannot be used here: it is not there, is another's, or signs wrongly. */
export interface SlotFault extends Omit<WorkerFault, 'kind'> {
  readonly kind: 'slot-fault';
}

export type OpenIssuerReply = { readonly kind: 'ready' } | SlotFault;

export type KeyTaskReply<K extends KeyTaskKind = KeyTaskKind> =
  | {
      readonly kind: 'done';
      readonly result: KeyTaskKinds[K]['result'];
      /** Of this worker since its last such reply. */
      readonly usage: SlotUsage;
    }
  /** The task is at fault; any other slot would say the same. */
  | WorkerFault
  | SlotFault;
