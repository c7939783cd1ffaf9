import { chunkIdOf, rejectionCodeOf, type ChunkRef, type RejectionCode } from '@certmill/domain';
import { decodeVerdict } from '@certmill/events';
import type { ChunkEnd } from './claim-journal.js';
import { decodeEntry, type DecodedDecision } from './entry-codec.js';
import { chainAfter, emptyChain, type ReleaseItem } from './journal-entry.js';
import type { MemoryStorage } from './memory-storage.fixture.js';

/** A request that was accepted. */
export interface AcceptedRequest {
  readonly chunk: ChunkRef;
  readonly orderId: string;
  readonly index: number;
  readonly claim: string;
  readonly key: string;
  readonly device: string;
  /** Of its entry. */
  readonly seq: number;
}

/** A request whose code is not what the rules say. */
export interface Violation {
  readonly seq: number;
  readonly index: number;
  readonly device: string;
  readonly code: RejectionCode | undefined;
  readonly expected: RejectionCode | undefined;
}

/** Of each chunk as soon as it is decided; certificates that end at a time have expired for all others. */
export type EndOf = (chunk: ChunkRef) => ChunkEnd | undefined;

/** Holders of a key that a decider looks at. */
const holdersLookedAt = 16;

/**
 * The rules of decisions over again, from the verdicts alone: by names where a view has keyed hashes,
 * in plain maps, from the first entry on. Drafts that reject something are not looked at.
 */
export class ReferenceJournal {
  /** By chunk id: the verdict in force, hex. */
  readonly verdicts = new Map<string, string>();
  /** Key to the device it is bound to and the requests that hold it. */
  readonly bindings = new Map<string, { readonly device: string; holders: number }>();
  /** Claim to its holder, and whom that one and those before took it over from. */
  readonly claims = new Map<string, readonly AcceptedRequest[]>();
  /** Keys of certificates that were revoked as compromised. */
  readonly blocked = new Set<string>();
  readonly reserved = new Map<string, number>();
  /** In the order of their acceptance. */
  readonly accepted: AcceptedRequest[] = [];
  readonly violations: Violation[] = [];
  /** Entries of another history. */
  ignored = 0;
  readonly #quotaOf: (orderId: string) => number;
  readonly #endOf: EndOf;
  readonly #decisions = new Map<string, DecodedDecision>();

  /** @param quotaOf Of each order; none of them closes. */
  constructor(quotaOf: (orderId: string) => number, endOf: EndOf = () => undefined) {
    this.#quotaOf = quotaOf;
    this.#endOf = endOf;
  }

  foldAll(storage: MemoryStorage, shard: number): this {
    let chain = emptyChain;
    for (let seq = 1; ; seq += 1) {
      const stored = storage.entries.get(`${String(shard)}.${String(seq)}`);
      if (stored === undefined) break;
      const { previous, items } = decodeEntry(stored);
      if (Buffer.compare(previous, chain) !== 0) this.ignored += 1;
      else {
        for (const item of items) {
          if (item.kind === 'decision') this.#decide(item, seq);
          else this.#release(item);
        }
      }
      chain = chainAfter(chain, stored.head);
    }
    return this;
  }

  requestsOf(device: string): readonly AcceptedRequest[] {
    return this.accepted.filter((request) => request.device === device).toReversed();
  }

  #decide(item: DecodedDecision, seq: number): void {
    const id = chunkIdOf(item.chunk);
    if (this.verdicts.has(id)) return;
    this.verdicts.set(id, Buffer.from(item.verdict).toString('hex'));
    this.#decisions.set(id, item);
    const { codes, deviceIds, udids } = decodeVerdict(item.verdict);
    for (const [position, number] of codes.entries()) {
      const code = rejectionCodeOf(number);
      const device = deviceIds[position] ?? '';
      const key = Buffer.from(udids.subarray(position * 32, position * 32 + 32)).toString('hex');
      const claim = `${item.profileName}/${device}`;
      const index = item.firstIndex + position;
      const expected = this.#expected(item, seq, { device, key, claim });
      if (code !== expected) this.violations.push({ seq, index, device, code, expected });
      if (code !== undefined) continue;
      const { chunk, orderId } = item;
      const request = { chunk, orderId, index, claim, key, device, seq };
      const holders = (this.bindings.get(key)?.holders ?? 0) + 1;
      this.bindings.set(key, { device, holders });
      // Only an order that renews has a way back.
      const before = item.renews ? (this.claims.get(claim) ?? []) : [];
      this.claims.set(claim, [request, ...before]);
      this.accepted.push(request);
      this.reserved.set(item.orderId, (this.reserved.get(item.orderId) ?? 0) + 1);
    }
  }

  #expected(
    item: DecodedDecision,
    seq: number,
    request: Pick<AcceptedRequest, 'device' | 'key' | 'claim'>,
  ): RejectionCode | undefined {
    const { batchId } = item.chunk;
    if (this.blocked.has(request.key)) return 'KEY_COMPROMISED';
    const binding = this.bindings.get(request.key);
    if (binding !== undefined && binding.device !== request.device) {
      const holders = this.accepted
        .filter(({ key }) => key === request.key)
        .slice(-holdersLookedAt);
      const isTwice = holders.some(({ chunk }) => chunk.batchId === batchId);
      return isTwice ? 'DUPLICATE_IN_BATCH' : 'KEY_IN_USE';
    }
    const holder = this.claims.get(request.claim)?.[0];
    if (holder !== undefined) {
      if (holder.chunk.batchId === batchId) return 'DUPLICATE_IN_BATCH';
      const end = this.#endOf(holder.chunk);
      if (end === undefined || holder.seq === seq) return 'DEVICE_REQUEST_PENDING';
      if (!item.renews && end.notAfterMs === undefined) return 'DEVICE_ALREADY_ISSUED';
    }
    const left = this.#quotaOf(item.orderId) - (this.reserved.get(item.orderId) ?? 0);
    return left > 0 ? undefined : 'ORDER_QUOTA_EXCEEDED';
  }

  #release({ kind, chunk, positions }: ReleaseItem): void {
    const decision = this.#decisions.get(chunkIdOf(chunk));
    if (decision === undefined) return;
    for (const position of positions) {
      const index = decision.firstIndex + position;
      const request = this.accepted.find(
        (one) => one.index === index && chunkIdOf(one.chunk) === chunkIdOf(chunk),
      );
      if (request === undefined) continue;
      if (kind === 'key-block') {
        this.blocked.add(request.key);
        continue;
      }
      const listed = this.claims.get(request.claim) ?? [];
      if (!listed.includes(request)) continue;
      const isRevoked = kind === 'claim-release' && listed[0] === request;
      const left = isRevoked ? [] : listed.filter((one) => one !== request);
      this.claims.set(request.claim, left);
      if (kind === 'claim-release') continue;
      const { orderId } = decision;
      this.reserved.set(orderId, (this.reserved.get(orderId) ?? 0) - 1);
      const binding = this.bindings.get(request.key);
      if (binding?.device !== request.device) continue;
      binding.holders -= 1;
      if (binding.holders === 0) this.bindings.delete(request.key);
    }
  }
}
