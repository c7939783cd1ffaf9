import type { EmbeddedStore } from '@certmill/adapter-embedded';
import type { SerialKey } from '@certmill/domain';
import type { UsedApprovals } from '@certmill/ports';
import type { Issuer } from '@certmill/trust';

/** A data folder at rest, which nobody else works in while it is carried into a fleet. */
export interface MigrationSource {
  readonly store: EmbeddedStore;
  /** Of the event log. */
  readonly logDirectory: string;
  readonly issuers: readonly Issuer[];
  readonly serialKeys: readonly SerialKey[];
  /** What the seals of its log are derived from. */
  readonly hopSecret: Uint8Array;
  /** They stay used in the fleet. */
  readonly usedApprovals: readonly UsedApprovals[];
  /** From now on nothing works in the folder any more; durable when it resolves. Idempotent. */
  retire(): Promise<void>;
}
