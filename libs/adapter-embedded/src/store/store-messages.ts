import type { FaultCode } from '@certmill/domain';
import type { StoreOperations } from './store-operations.js';

export type StoreCall = keyof StoreOperations;

/** A call to the store thread. */
export interface StoreRequest {
  readonly id: number;
  readonly call: StoreCall;
  readonly args: readonly unknown[];
  /** Goes before what is not, and never waits for a group to fill. */
  readonly isUrgent: boolean;
}

/** What goes to the store thread. */
export type ToStore =
  | { readonly kind: 'requests'; readonly requests: readonly StoreRequest[] }
  | { readonly kind: 'close' };

/** A fault as data: structured clone would drop its code. */
export interface FaultData {
  readonly code: FaultCode;
  readonly message: string;
}

export type StoreReply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly fault: FaultData };

/** What comes from the store thread. */
export type FromStore =
  | { readonly kind: 'opened' }
  | { readonly kind: 'not-opened'; readonly fault: FaultData }
  | { readonly kind: 'replies'; readonly replies: readonly StoreReply[] }
  /** Something failed that no caller waits for. */
  | { readonly kind: 'fault'; readonly fault: FaultData };

export interface StoreThreadData {
  readonly directory: string;
  readonly segmentFileBytes: number;
  readonly openedAtMs: number;
  readonly allowsDamage: boolean;
  readonly statusSecret?: Uint8Array | undefined;
  /** URL of a module whose `storeDisk` takes the place of node:fs. */
  readonly diskModule: string | undefined;
}
