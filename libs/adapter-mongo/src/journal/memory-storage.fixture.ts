import { CertmillError } from '@certmill/domain';
import type { JournalStorage, StoredEntry, StoredState } from './journal-storage.js';

/** Storage as it is meant to be, in memory. Octets are copied in and out. */
export class MemoryStorage implements JournalStorage {
  readonly entries = new Map<string, StoredEntry>();
  readonly blobs = new Map<string, Uint8Array>();
  readonly states = new Map<number, StoredState>();
  /** How often each call was made. */
  readonly calls = new Map<string, number>();

  insert(shard: number, seq: number, entry: StoredEntry): Promise<'inserted' | 'exists'> {
    this.#count('insert');
    const id = `${String(shard)}.${String(seq)}`;
    if (this.entries.has(id)) return Promise.resolve('exists');
    this.entries.set(id, copyOf(entry));
    return Promise.resolve('inserted');
  }

  read(shard: number, from: number, limit: number): Promise<readonly StoredEntry[]> {
    this.#count('read');
    const found: StoredEntry[] = [];
    for (let seq = from; found.length < limit; seq += 1) {
      const entry = this.entries.get(`${String(shard)}.${String(seq)}`);
      if (entry === undefined) break;
      found.push(copyOf(entry));
    }
    return Promise.resolve(found);
  }

  readHeads(shard: number, seqs: readonly number[]) {
    this.#count('readHeads');
    return Promise.resolve(
      seqs.map((seq) => {
        const entry = this.entries.get(`${String(shard)}.${String(seq)}`);
        return entry && copyOf(entry).head;
      }),
    );
  }

  putBlob(shard: number, id: string, piece: number, bytes: Uint8Array): Promise<void> {
    this.#count('putBlob');
    this.blobs.set(`${String(shard)}/${id}/${String(piece)}`, new Uint8Array(bytes));
    return Promise.resolve();
  }

  getBlob(shard: number, id: string, piece: number): Promise<Uint8Array | undefined> {
    this.#count('getBlob');
    const bytes = this.blobs.get(`${String(shard)}/${id}/${String(piece)}`);
    return Promise.resolve(bytes && new Uint8Array(bytes));
  }

  deleteBlob(shard: number, id: string): Promise<void> {
    this.#count('deleteBlob');
    for (const key of this.blobs.keys()) {
      if (key.startsWith(`${String(shard)}/${id}/`)) this.blobs.delete(key);
    }
    return Promise.resolve();
  }

  listBlobs(shard: number): Promise<readonly string[]> {
    this.#count('listBlobs');
    const ids = [...this.blobs.keys()]
      .filter((key) => key.startsWith(`${String(shard)}/`))
      .map((key) => key.split('/')[1] ?? '');
    return Promise.resolve([...new Set(ids)]);
  }

  getState(shard: number): Promise<StoredState | undefined> {
    this.#count('getState');
    return Promise.resolve(this.states.get(shard));
  }

  compareAndSetState(shard: number, version: number, value: Uint8Array): Promise<boolean> {
    this.#count('compareAndSetState');
    if ((this.states.get(shard)?.version ?? 0) !== version) return Promise.resolve(false);
    this.states.set(shard, { version: version + 1, value: new Uint8Array(value) });
    return Promise.resolve(true);
  }

  #count(call: string): void {
    this.calls.set(call, (this.calls.get(call) ?? 0) + 1);
  }
}

export type CallName = keyof JournalStorage;

/** Makes each call by `around`, which decides whether and when its effect takes place. */
export function around(
  storage: JournalStorage,
  aroundCall: <T>(name: CallName, effect: () => Promise<T>) => Promise<T>,
): JournalStorage {
  return {
    insert: (shard, seq, entry) => {
      const sent = copyOf(entry);
      return aroundCall('insert', () => storage.insert(shard, seq, sent));
    },
    read: (...args) => aroundCall('read', () => storage.read(...args)),
    readHeads: (...args) => aroundCall('readHeads', () => storage.readHeads(...args)),
    putBlob: (...args) => aroundCall('putBlob', () => storage.putBlob(...args)),
    getBlob: (...args) => aroundCall('getBlob', () => storage.getBlob(...args)),
    deleteBlob: (...args) => aroundCall('deleteBlob', () => storage.deleteBlob(...args)),
    listBlobs: (...args) => aroundCall('listBlobs', () => storage.listBlobs(...args)),
    getState: (...args) => aroundCall('getState', () => storage.getState(...args)),
    compareAndSetState: (...args) =>
      aroundCall('compareAndSetState', () => storage.compareAndSetState(...args)),
  };
}

export interface Chaos {
  /** 0 to 1. */
  readonly random: () => number;
  /** Turns of the event loop before and after each effect, at most. */
  readonly maxTurns: number;
  /** How often a call fails: before its effect, after it, or before an effect that comes later. */
  readonly failures: number;
}

/** Calls take their time, overtake each other and fail in every way that a network has. */
export function chaotic(storage: JournalStorage, chaos: Chaos): JournalStorage {
  const { random } = chaos;
  const pause = () => turns(Math.floor(random() * chaos.maxTurns));
  return around(storage, async (_name, effect) => {
    const fate = random();
    await pause();
    if (fate < chaos.failures / 3) throw down();
    if (fate < (chaos.failures * 2) / 3) {
      // Nobody hears how it ended, also where it has failed by then.
      void pause()
        .then(effect)
        .catch(() => undefined);
      throw down();
    }
    const result = await effect();
    await pause();
    if (fate < chaos.failures) throw down();
    return result;
  });
}

export interface MortalStorage {
  readonly storage: JournalStorage;
  readonly died: Promise<void>;
  /** What the dead process still waits for fails, so that it lets go of its files. */
  readonly bury: () => void;
}

/** From the `at`-th call on (from 1) the process is dead: nothing it asks for happens any more. */
export function dying(
  storage: JournalStorage,
  at: number,
  mode: 'before' | 'after',
): MortalStorage {
  const { promise: died, resolve } = Promise.withResolvers<undefined>();
  const { promise: never, reject: bury } = Promise.withResolvers<never>();
  never.catch(() => undefined);
  let calls = 0;
  const mortal = around(storage, async (_name, effect) => {
    calls += 1;
    if (calls > at) return never;
    if (calls < at) return effect();
    if (mode === 'after') await effect();
    resolve(undefined);
    return never;
  });
  return {
    storage: mortal,
    died,
    bury: () => {
      bury(down());
    },
  };
}

/** Fails the `at`-th call (from 1), with its effect or without. */
export function failing(
  storage: JournalStorage,
  at: number,
  mode: 'fails' | 'persists',
): JournalStorage {
  let calls = 0;
  return around(storage, async (_name, effect) => {
    calls += 1;
    if (calls !== at) return effect();
    if (mode === 'persists') await effect();
    throw down();
  });
}

export function down(): CertmillError {
  return new CertmillError('FAULT_STORE_DOWN', 'the storage under test failed');
}

export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

function copyOf({ head, body }: StoredEntry): StoredEntry {
  return { head: new Uint8Array(head), body: new Uint8Array(body) };
}

/** A reproducible stream of numbers from 0 to 1 (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
