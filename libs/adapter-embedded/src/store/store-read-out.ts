import type { CrlScope } from '@certmill/ports';
import type {
  ChunkPlace,
  ReadBatch,
  ReadChunk,
  ReadDecision,
  ReadMassOperation,
  ReadOrder,
  ReadRevocation,
  ReadStatus,
  RevocationPlace,
  StoreSurvey,
} from './read-out.js';

/**
 * Reads a store from its beginning to its end. Pages come in the order in which things were made, those
 * behind a sequence number; a short page is the last one.
 */
export interface StoreReadOut {
  survey(): Promise<StoreSurvey>;
  orders(afterSeq: number, limit: number): Promise<readonly ReadOrder[]>;
  batches(afterSeq: number, limit: number): Promise<readonly ReadBatch[]>;
  /** With their segments: some 150 KB each. `after`: -1 before the first. */
  chunks(batchSeq: number, after: number, limit: number): Promise<readonly ReadChunk[]>;
  decided(after: ChunkPlace, limit: number): Promise<readonly ChunkPlace[]>;
  decision(place: ChunkPlace): Promise<ReadDecision | undefined>;
  statuses(afterSeq: number, afterIndex: number, limit: number): Promise<readonly ReadStatus[]>;
  /** All that anything is known of, with rows or without. */
  scopes(): Promise<readonly CrlScope[]>;
  /** Rows of all scopes, released ones too. */
  revocations(
    after: RevocationPlace | undefined,
    limit: number,
  ): Promise<readonly ReadRevocation[]>;
  /** Without their frozen selections: those may be large. */
  massOperations(afterSeq: number, limit: number): Promise<readonly ReadMassOperation[]>;
  /** The packed list that is in force under this id. */
  allowListFile(allowListId: string): string;
}
