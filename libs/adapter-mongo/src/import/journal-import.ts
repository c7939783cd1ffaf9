import { CertmillError, type ChunkRef, type OrderId } from '@certmill/domain';
import { decodeVerdict } from '@certmill/events';
import { RequestKeys, requestKeysBytes, udidIdAt } from '@certmill/packed';
import { encodeEntry } from '../journal/entry-codec.js';
import {
  chainAfter,
  emptyChain,
  maxEntryBytes,
  maxItemsPerEntry,
  maxRequestsPerEntry,
  type DecisionItem,
  type JournalItem,
  type ReleaseItem,
} from '../journal/journal-entry.js';
import type { JournalStorage } from '../journal/journal-storage.js';
import { keysOf } from '../journal/judge.js';
import { shardOf } from '../journal/start-claim-journal.js';

/** A decision that was made elsewhere, with what has become of what it took. */
export interface ImportedDecision {
  readonly chunk: ChunkRef;
  readonly orderId: OrderId;
  readonly profileName: string;
  readonly firstIndex: number;
  readonly verdict: Uint8Array;
  /** It took over claims of its devices. */
  readonly renews: boolean;
  /** All that it accepted was given back. */
  readonly isGivenBack: boolean;
  /** Positions, in the chunk, whose claims have ended otherwise. */
  readonly released: readonly number[];
  /** Positions whose keys nobody is issued certificates for any more. */
  readonly blocked: readonly number[];
}

interface ShardEnd {
  /** Of the entry that is to be written next. */
  seq: number;
  chain: Uint8Array;
  items: JournalItem[];
  requests: number;
  bytes: number;
}

/**
 * Writes the journals of a fresh store (ADR 0012) from decisions that are known. What was given back
 * is in the same entry, right behind its decision: in between somebody else could take the claim. The
 * same decisions in the same order make the same entries, so it may be killed and done again.
 */
export class JournalImport {
  readonly #storage: Pick<JournalStorage, 'insert' | 'readHeads'>;
  readonly #shards: number;
  readonly #keys: RequestKeys;
  readonly #ends = new Map<number, ShardEnd>();

  constructor(
    storage: Pick<JournalStorage, 'insert' | 'readHeads'>,
    { shards, secret }: { readonly shards: number; readonly secret: Uint8Array },
  ) {
    this.#storage = storage;
    this.#shards = shards;
    this.#keys = new RequestKeys(secret);
  }

  /**
   * For each device and key the decisions MUST come in the order in which they were made.
   * Faults: CONFLICT where the journal holds other entries.
   */
  async add(decision: ImportedDecision): Promise<void> {
    const shard = shardOf(decision.chunk.tenant, this.#shards);
    const items = this.#itemsOf(decision);
    const requests = items.reduce((sum, item) => sum + countOf(item), 0);
    const bytes = items.reduce((sum, item) => sum + bytesOf(item), 0);
    let end = this.#endOf(shard);
    const isFull =
      end.items.length + items.length > maxItemsPerEntry ||
      end.requests + requests > maxRequestsPerEntry ||
      end.bytes + bytes > maxEntryBytes;
    if (isFull) {
      await this.#write(shard, end);
      end = this.#endOf(shard);
    }
    end.items.push(...items);
    end.requests += requests;
    end.bytes += bytes;
  }

  /** Writes what is left. */
  async finish(): Promise<void> {
    for (const [shard, end] of this.#ends) await this.#write(shard, end);
  }

  #endOf(shard: number): ShardEnd {
    const known = this.#ends.get(shard);
    if (known !== undefined) return known;
    const end: ShardEnd = { seq: 1, chain: emptyChain, items: [], requests: 0, bytes: 0 };
    this.#ends.set(shard, end);
    return end;
  }

  async #write(shard: number, end: ShardEnd): Promise<void> {
    if (end.items.length === 0) return;
    const { seq } = end;
    const entry = encodeEntry({ previous: end.chain, items: end.items });
    if ((await this.#storage.insert(shard, seq, entry)) === 'exists') {
      // The head holds the digest of the body.
      const [head] = await this.#storage.readHeads(shard, [seq]);
      if (head === undefined || Buffer.compare(head, entry.head) !== 0) {
        throw new CertmillError(
          'CONFLICT',
          'the journal of this store holds decisions of others: give the migration a fresh database',
        );
      }
    }
    const chain = chainAfter(end.chain, entry.head);
    this.#ends.set(shard, { seq: seq + 1, chain, items: [], requests: 0, bytes: 0 });
  }

  #itemsOf(imported: ImportedDecision): JournalItem[] {
    const { chunk, orderId, profileName, renews, firstIndex, verdict, isGivenBack } = imported;
    const { codes, deviceIds, udids } = decodeVerdict(verdict);
    const accepted: number[] = [];
    for (const [position, code] of codes.entries()) if (code === 0) accepted.push(position);
    const keys = Buffer.allocUnsafeSlow(accepted.length * requestKeysBytes);
    const write = this.#keys.within({ tenant: chunk.tenant, profileName });
    const column = Buffer.from(udids.buffer, udids.byteOffset, udids.byteLength);
    for (const [i, position] of accepted.entries()) {
      const udidId = udidIdAt(column, position);
      write(deviceIds[position] ?? '', udidId, keys, i * requestKeysBytes);
    }
    const decision: DecisionItem = {
      kind: 'decision',
      chunk,
      orderId,
      profileName,
      renews,
      firstIndex,
      count: codes.length,
      verdict,
      keys,
    };
    const ended = isGivenBack ? accepted : imported.released;
    const releases = [
      [isGivenBack ? 'giving-back' : 'claim-release', new Set(ended)],
      ['key-block', new Set(imported.blocked)],
    ] as const;
    const items = releases.flatMap(([kind, positions]): ReleaseItem[] => {
      const which = [...accepted.keys()].filter((i) => positions.has(accepted[i] ?? -1));
      if (which.length === 0) return [];
      const own = { positions: which.map((i) => accepted[i] ?? 0), keys: keysOf(keys, which) };
      return [{ kind, chunk, orderId, ...own }];
    });
    return [decision, ...items];
  }
}

function countOf(item: JournalItem): number {
  return item.kind === 'decision' ? item.count : item.positions.length;
}

function bytesOf(item: JournalItem): number {
  return item.keys.length + (item.kind === 'decision' ? item.verdict.length : 0);
}
