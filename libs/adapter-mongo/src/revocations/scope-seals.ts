import { hash } from 'node:crypto';
import { forgedStatus, framed, type StatusSeals } from '@certmill/pipeline';
import type { CrlScope, StoredCrl } from '@certmill/ports';
import {
  scopeKey,
  type AppliedEntries,
  type LogDocument,
  type ScopeDocument,
  type SnapshotDocument,
} from './scope-documents.js';

/** An entry as its seal sees it. */
export interface SealedEntry {
  readonly number: number;
  /** As of `contentOf`. */
  readonly content: Uint8Array;
  readonly seal: string;
}

/** The last entry of a scope's log, by number and seal. */
export interface LogHead {
  readonly number: number;
  readonly seal: string;
}

/**
 * The heads that a process has seen, in a place that who writes the store cannot write: a log that ends
 * before them, or has others in their place, was cut off or replaced.
 */
export interface StatusMarks {
  get(scope: string): Promise<LogHead | undefined>;
  put(scope: string, head: LogHead): Promise<void>;
}

export class MarksInMemory implements StatusMarks {
  readonly #heads = new Map<string, LogHead>();

  get(scope: string): Promise<LogHead | undefined> {
    return Promise.resolve(this.#heads.get(scope));
  }

  put(scope: string, head: LogHead): Promise<void> {
    this.#heads.set(scope, head);
    return Promise.resolve();
  }
}

/**
 * The chain of a scope's log (ADR 0035): the seal of an entry binds scope, number, content and the seal
 * before, that of a snapshot its blocks and the entry that it goes up to. Faults: FAULT_STATUS_FORGED.
 */
export class ScopeSeals {
  readonly #seals: StatusSeals;
  readonly #marks: StatusMarks;

  constructor(seals: StatusSeals, marks: StatusMarks) {
    this.#seals = seals;
    this.#marks = marks;
  }

  sealEntry(scope: CrlScope, entry: Omit<SealedEntry, 'seal'>, after: string): string {
    return this.#seals.seal(entryFields(scope, entry), after);
  }

  /** The seal of the last entry, each bound to the one before. */
  follow(scope: CrlScope, after: string, entries: readonly SealedEntry[]): string {
    let head = after;
    for (const entry of entries) {
      if (!this.#seals.isSound(entry.seal, entryFields(scope, entry), head)) {
        throw forgedStatus(`entry ${String(entry.number)} of ${scopeKey(scope)} has another seal`);
      }
      head = entry.seal;
    }
    return head;
  }

  sealApplied(scope: CrlScope, applied: AppliedEntries): string {
    return this.#seals.seal(appliedFields(scope, applied), applied.head);
  }

  /** What a scope says of itself that a writer builds on. A scope to which nothing was applied has no seal. */
  assertApplied(scope: ScopeDocument): void {
    const { _id, shard, applied, changes, changedAtMs, head, seal } = scope;
    const isSound =
      _id === scopeKey(scope) &&
      [shard, applied, changes, changedAtMs].every(Number.isFinite) &&
      (applied === 0
        ? changes === 0 && head === ''
        : this.#seals.isSound(seal, appliedFields(scope, scope), head));
    if (!isSound) throw forgedStatus(`what ${_id} says of itself has another seal`);
  }

  sealSnapshot(scope: CrlScope, snapshot: Omit<SnapshotDocument, 'seal'>): string {
    return this.#seals.seal(snapshotFields(scope, snapshot), snapshot.head);
  }

  assertSnapshot(scope: ScopeDocument): void {
    const { snapshot } = scope;
    if (snapshot === undefined) return;
    const { digests, firsts, head, seal, upTo, rows, changes } = snapshot;
    const isSound =
      [upTo, rows, changes].every(Number.isFinite) &&
      digests.length === firsts.length &&
      this.#seals.isSound(seal, snapshotFields(scope, snapshot), head);
    if (!isSound) throw forgedStatus(`the snapshot of ${scopeKey(scope)} has another seal`);
  }

  /** What a CRL is said to have: a delta leaves out what its base has. */
  sealCrl(crl: Pick<StoredCrl, 'scope' | 'kind' | 'crlNumber' | 'changes'>): string {
    return this.#seals.seal(crlFields(crl), '');
  }

  isCrlSound(
    seal: string,
    crl: Pick<StoredCrl, 'scope' | 'kind' | 'crlNumber' | 'changes'>,
  ): boolean {
    return this.#seals.isSound(seal, crlFields(crl), '');
  }

  /**
   * The log goes on from the head that was seen last, and this one is remembered.
   * @param read Entries behind a number, emptied ones too.
   */
  async advance(
    scope: CrlScope,
    head: LogHead,
    read: (after: number) => Promise<readonly SealedEntry[]>,
  ): Promise<void> {
    const key = scopeKey(scope);
    const mark = await this.#marks.get(key);
    if (mark?.number === head.number && mark.seal === head.seal) return;
    if (mark !== undefined) {
      // Another call of this process may have seen more.
      const [first, last] = mark.number > head.number ? [head, mark] : [mark, head];
      const between = (await read(first.number)).filter(({ number }) => number <= last.number);
      if (this.follow(scope, first.seal, between) !== last.seal) {
        const [seen, there] = [String(mark.number), String(head.number)];
        throw forgedStatus(`the log of ${key} was seen with another entry ${seen} (of ${there})`);
      }
      if (last === mark) return;
    }
    await this.#marks.put(key, head);
  }

  /** This process has put it behind what it had seen. */
  async noteOwn(scope: CrlScope, head: LogHead): Promise<void> {
    const key = scopeKey(scope);
    // Another call may have seen more meanwhile.
    const seen = await this.#marks.get(key);
    if ((seen?.number ?? -1) < head.number) await this.#marks.put(key, head);
  }

  /** Nothing is left of a scope of which something was seen. */
  async assertNeverSeen(scope: CrlScope): Promise<void> {
    const key = scopeKey(scope);
    if (((await this.#marks.get(key))?.number ?? 0) > 0) throw forgedStatus(`${key} is gone`);
  }
}

/** What an entry says, hashed: an emptied one keeps it, and with it its place in the chain. */
export function contentOf({
  places,
  rows,
  changes,
  atMs,
}: Pick<LogDocument, 'places' | 'rows' | 'changes' | 'atMs'>): Uint8Array {
  const fields = [String(changes), String(atMs), rows, ...places];
  return hash('sha256', framed(fields), 'buffer');
}

export function digestOfBlock(rows: Uint8Array): string {
  return hash('sha256', rows, 'hex');
}

function entryFields(scope: CrlScope, { number, content }: Omit<SealedEntry, 'seal'>) {
  return ['entry', scopeKey(scope), String(number), content];
}

function appliedFields(scope: CrlScope, { applied, changes, changedAtMs }: AppliedEntries) {
  return ['applied', scopeKey(scope), ...[applied, changes, changedAtMs].map(String)];
}

function snapshotFields(
  scope: CrlScope,
  { id, upTo, rows, changes, firsts, digests }: Omit<SnapshotDocument, 'seal'>,
) {
  const counts = [upTo, rows, changes].map(String);
  return ['snapshot', scopeKey(scope), id, ...counts, ...firsts, ...digests];
}

function crlFields({
  scope,
  kind,
  crlNumber,
  changes,
}: Pick<StoredCrl, 'scope' | 'kind' | 'crlNumber' | 'changes'>) {
  return ['crl', scopeKey(scope), kind, String(crlNumber), String(changes)];
}
