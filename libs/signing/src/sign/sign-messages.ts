import type { SerialKey, TenantId } from '@certmill/domain';
import type { SigningHash } from '../slots/signature-scheme.js';
import type { SigningSlot } from '../slots/signing-slot.js';
import type { WorkerFault } from '../worker-pool/worker-fault.js';
import type { SlotUsage } from './slot-usage.js';

/** What every worker of a slot is started with. */
export interface SlotWorkerData {
  readonly issuerName: string;
  /** Absent: every tenant. */
  readonly tenants?: readonly TenantId[];
  readonly issuerCertificateDer: Uint8Array;
  readonly rsaHash: SigningHash;
  readonly serialKeys: readonly SerialKey[];
  readonly slot: SigningSlot;
  /** Memory of the slot's latches, by name. */
  readonly latches: Readonly<Record<string, SharedArrayBuffer>>;
  /** Who takes them. */
  readonly latchOwner: number;
}

export interface SignTask {
  /** The encoded ReceivedChunk, then the encoded Verdict; moved. */
  readonly chunk: ArrayBuffer;
  readonly receivedBytes: number;
  /** True on a slot's first chunk after a failure: every signature is verified. */
  readonly verifyAll: boolean;
  /** The canonical profile; small enough to go with every chunk, and compiled once per worker. */
  readonly profile: string;
}

/** The slot cannot be used: its key is not there, is another issuer's, or signs wrongly. */
export interface SlotFault extends Omit<WorkerFault, 'kind'> {
  readonly kind: 'slot-fault';
}

export type OpenSlotReply = { readonly kind: 'ready' } | SlotFault;

export type SignReply =
  | {
      readonly kind: 'signed';
      /** Certificates back to back; the whole of its buffer. */
      readonly certificatesDer: Uint8Array;
      readonly certificateLengths: Uint32Array;
      /** Of this worker since its last such reply. */
      readonly usage: SlotUsage;
    }
  /** The chunk is at fault; any other slot would say the same. */
  | WorkerFault
  | SlotFault;
