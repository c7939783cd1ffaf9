import { hash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CertmillError, type ChunkRef, type OrderId, type TenantId } from '@certmill/domain';
import { diskFault, RequestKeys, SpareMemtables, udidIdAt, type Locator } from '@certmill/packed';
import type { AllowListQuery, Decision } from '@certmill/ports';
import type {
  ClaimJournal,
  ClaimJournalOptions,
  JournalObserver,
  OrderTerms,
  RequestPlace,
} from './claim-journal.js';
import { candidateOf, keysOf } from './judge.js';
import type { ReleaseItem } from './journal-entry.js';
import { openView } from './open-view.js';
import { chunkAt } from './recent-entries.js';
import { saveSnapshot } from './save-snapshot.js';
import { ShardJournal } from './shard-journal.js';
import type { ShardView } from './shard-view.js';
import { decodeSnapshotState, type SnapshotRun } from './snapshot-state.js';

const defaultFlushEntries = 8_192;
const defaultSnapshotEntries = 5_000;
const defaultSnapshotRequests = 250_000;
const putsPerRequest = 2;
const defaultGraceMs = 3_600_000;

const silent: JournalObserver = {
  folded: () => undefined,
  conflict: () => undefined,
  ignored: () => undefined,
  fault: () => undefined,
};

/** A shard with what this process knows of its snapshots. */
interface Shard {
  readonly journal: ShardJournal;
  /** Digests of run files and where they were uploaded, of the view that is open. */
  known: Map<string, SnapshotRun>;
  /** Puts of the open view that the newest snapshot has, as far as is known here. */
  savedPuts: number;
  /** One at a time. */
  saving: Promise<unknown> | undefined;
}

/**
 * The journal of a fleet's decisions, as one process uses it. Nothing is read before the first call
 * for a tenant: then the view of its shard is opened, which stays open. A view costs some 2 MiB of
 * memory for entries that are not on disk yet (by `flushEntries`; while they are written 4), and for each
 * certificate some 100 octets on disk and 3 in memory. The run writer and the page cache are the caller's to stop.
 */
export function startClaimJournal(options: ClaimJournalOptions): ClaimJournal {
  return new StartedJournal(options);
}

/** The shard of a tenant; it can never change. */
export function shardOf(tenant: TenantId, shards: number): number {
  return hash('sha256', tenant, 'buffer').readUInt32BE(0) % shards;
}

class StartedJournal implements ClaimJournal {
  readonly #options: ClaimJournalOptions;
  readonly #observer: JournalObserver;
  readonly #keys: RequestKeys;
  readonly #directory: string;
  readonly #spares = new SpareMemtables();
  readonly #shards = new Map<number, Shard>();
  #emptied: Promise<void> | undefined;
  #views = 0;
  #stopped: Promise<void> | undefined;

  constructor(options: ClaimJournalOptions) {
    this.#options = options;
    this.#observer = options.observer ?? silent;
    this.#keys = new RequestKeys(options.secret);
    this.#directory = join(options.cacheDirectory, 'journal');
  }

  async decide(decision: Decision, order: OrderTerms, isUrgent: boolean): Promise<Uint8Array> {
    const candidate = candidateOf(decision, order, this.#keys);
    const { journal } = this.#shardOf(decision.chunk.tenant);
    return new Promise((resolve, reject) => {
      journal.write({ kind: 'decide', candidate, isUrgent, resolve, reject });
    });
  }

  async getVerdict(chunk: ChunkRef): Promise<Uint8Array | undefined> {
    const { journal } = this.#shardOf(chunk.tenant);
    const at = await journal.look((view) => view.decidedAt(chunk));
    return at && journal.verdictAt(at);
  }

  giveBack(chunk: ChunkRef, indexes: readonly number[]): Promise<void> {
    return this.#release('giving-back', chunk, indexes);
  }

  releaseClaim(chunk: ChunkRef, index: number): Promise<void> {
    return this.#release('claim-release', chunk, [index]);
  }

  blockKey(chunk: ChunkRef, index: number): Promise<void> {
    return this.#release('key-block', chunk, [index]);
  }

  findByUdid(tenant: TenantId, udid: Uint8Array, limit: number): Promise<readonly RequestPlace[]> {
    const udidId = udidIdAt(Buffer.from(udid), 0);
    return this.#findOne(tenant, (view) => view.requestsOfUdid(tenant, udidId, limit));
  }

  findByDevice(
    tenant: TenantId,
    deviceId: string,
    limit: number,
  ): Promise<readonly RequestPlace[]> {
    return this.#findOne(tenant, (view) => view.requestsOfDevice(tenant, deviceId, limit));
  }

  claimsOf(
    tenant: TenantId,
    profileName: string,
    devices: readonly AllowListQuery[],
  ): Promise<readonly (readonly RequestPlace[])[]> {
    return this.#find(tenant, (view) => view.claimsOf({ tenant, profileName }, devices));
  }

  async reservedUnder(tenant: TenantId, orderId: OrderId): Promise<number> {
    const { journal } = this.#shardOf(tenant);
    return journal.look((view) => view.reservedUnder(tenant, orderId));
  }

  async snapshot(shard: number): Promise<boolean> {
    const opened = this.#shard(shard);
    const saving = (opened.saving ?? Promise.resolve())
      .catch(() => undefined)
      .then(() => this.#save(shard, opened));
    opened.saving = saving;
    return saving;
  }

  async snapshotsDue(): Promise<readonly number[]> {
    const due: number[] = [];
    for (const [shard, opened] of this.#shards) {
      if (!this.#isDue(opened)) continue;
      await this.#learnSnapshot(shard, opened);
      if (this.#isDue(opened)) due.push(shard);
    }
    return due;
  }

  /** As far as this process knows. */
  #isDue({ journal, savedPuts }: Shard): boolean {
    const { snapshotEntries = defaultSnapshotEntries, snapshotRequests = defaultSnapshotRequests } =
      this.#options;
    const { view, snapshotSeq } = journal;
    if (view === undefined) return false;
    const { place, puts } = view.runs.flushed;
    const isLong =
      view.place.seq - snapshotSeq > snapshotEntries ||
      puts - savedPuts > snapshotRequests * putsPerRequest;
    return isLong && place.seq > snapshotSeq;
  }

  /** Another process may have stored a newer one: all that is flushed here by now is taken to be in it. */
  async #learnSnapshot(shard: number, opened: Shard): Promise<void> {
    const stored = await this.#options.storage.getState(shard);
    const { journal } = opened;
    const seq = stored === undefined ? 0 : decodeSnapshotState(stored.value).place.seq;
    if (seq <= journal.snapshotSeq || journal.view === undefined) return;
    journal.snapshotSeq = seq;
    opened.savedPuts = journal.view.runs.flushed.puts;
  }

  stop(timeoutMs: number): Promise<void> {
    this.#stopped ??= this.#stop(timeoutMs);
    return this.#stopped;
  }

  async #stop(timeoutMs: number): Promise<void> {
    const shards = [...this.#shards.values()];
    const aborted = new AbortController();
    const finished = Promise.all(
      shards.map(async ({ journal, saving }) => {
        await journal.finish();
        await saving?.catch(() => undefined);
      }),
    );
    const tooLong = delay(timeoutMs, undefined, { signal: aborted.signal }).catch(() => undefined);
    const isDone = await Promise.race([finished.then(() => true), tooLong.then(() => false)]);
    aborted.abort();
    // What hangs in the storage ends within its own bounds; nobody waits for it any more.
    const closed = Promise.all(shards.map(({ journal }) => journal.close()));
    const reported = closed.catch((error: unknown) => {
      this.#observer.fault(diskFault(error, 'close the claims journal'));
    });
    if (isDone) await reported;
  }

  #shardOf(tenant: TenantId): Shard {
    return this.#shard(shardOf(tenant, this.#options.shards));
  }

  #shard(shard: number): Shard {
    const known = this.#shards.get(shard);
    if (known !== undefined) return known;
    if (this.#stopped !== undefined) {
      throw new CertmillError('FAULT_STOPPING', 'the claims journal is closing');
    }
    const { storage, endsOf, isHeld, random } = this.#options;
    const journal = new ShardJournal({
      shard,
      storage,
      endsOf,
      isHeld,
      observer: this.#observer,
      random: random ?? Math.random,
      openView: () => this.#open(shard),
    });
    const opened: Shard = { journal, known: new Map(), savedPuts: 0, saving: undefined };
    this.#shards.set(shard, opened);
    return opened;
  }

  async #open(shard: number): Promise<ShardView> {
    this.#emptied ??= rm(this.#directory, { recursive: true, force: true });
    await this.#emptied.catch((error: unknown) => {
      this.#emptied = undefined;
      throw diskFault(error, `empty ${this.#directory}`);
    });
    this.#views += 1;
    const { storage, runWriter, pageCache, flushEntries } = this.#options;
    const { view, snapshot } = await openView({
      storage,
      shard,
      directory: join(this.#directory, `${String(shard)}-${String(this.#views)}`),
      keys: this.#keys,
      runWriter,
      pageCache,
      spares: this.#spares,
      flushEntries: flushEntries ?? defaultFlushEntries,
      onFault: (fault) => {
        this.#observer.fault(fault);
      },
    });
    const opened = this.#shard(shard);
    opened.known = new Map(snapshot?.known);
    opened.savedPuts = 0;
    opened.journal.snapshotSeq = snapshot?.place.seq ?? 0;
    return view;
  }

  async #save(shard: number, opened: Shard): Promise<boolean> {
    const { journal } = opened;
    const view = await journal.look((its) => its);
    const { puts } = view.runs.flushed;
    const saved = await saveSnapshot(view.runs, {
      storage: this.#options.storage,
      shard,
      nowMs: this.#options.clock.nowMs(),
      graceMs: this.#options.graceMs ?? defaultGraceMs,
      known: opened.known,
    });
    journal.snapshotSeq = Math.max(journal.snapshotSeq, saved.seq);
    opened.savedPuts = puts;
    return saved.isSaved;
  }

  async #findOne(
    tenant: TenantId,
    see: (view: ShardView) => readonly Locator[],
  ): Promise<readonly RequestPlace[]> {
    const [found = []] = await this.#find(tenant, (view) => [see(view)]);
    return found;
  }

  async #find(
    tenant: TenantId,
    see: (view: ShardView) => readonly (readonly Locator[])[],
  ): Promise<readonly (readonly RequestPlace[])[]> {
    const { journal } = this.#shardOf(tenant);
    const found = await journal.look(see);
    const seqs = new Set(found.flatMap((locators) => locators.map(({ seq }) => seq)));
    if (seqs.size === 0) return found.map(() => []);
    const heads = await journal.entries.heads(seqs);
    return found.map((locators) =>
      locators.flatMap(({ seq, index }) => {
        const head = heads.get(seq);
        if (head === undefined) return [];
        const { chunk, firstIndex, start } = chunkAt(head, index);
        return [{ chunk, index: firstIndex + index - start }];
      }),
    );
  }

  /** What is released is as the decision has it, whoever asks. */
  async #release(
    kind: ReleaseItem['kind'],
    chunk: ChunkRef,
    indexes: readonly number[],
  ): Promise<void> {
    const { journal } = this.#shardOf(chunk.tenant);
    const at = await journal.look((view) => view.decidedAt(chunk));
    if (at === undefined) return;
    const { firstIndex, accepted, keys, orderId } = await journal.entries.decision(
      at.seq,
      at.index,
    );
    const asked = new Set(indexes);
    const which = [...accepted.keys()].filter((i) => asked.has(firstIndex + (accepted[i] ?? 0)));
    if (which.length === 0) return;
    const item: ReleaseItem = {
      kind,
      chunk: { tenant: chunk.tenant, batchId: chunk.batchId, chunkNumber: chunk.chunkNumber },
      orderId,
      positions: which.map((i) => accepted[i] ?? 0),
      keys: keysOf(keys, which),
    };
    await new Promise<void>((resolve, reject) => {
      const isUrgent = kind !== 'giving-back';
      journal.write({ kind: 'release', item, isUrgent, resolve, reject });
    });
  }
}
