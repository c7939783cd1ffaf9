import type { DatabaseSync } from 'node:sqlite';
import type { CrlScope, StoredCrl } from '@certmill/ports';
import type { ScopeSums } from './scope-sums.js';
import { bytesIn, numberIn, textIn, type Row } from './rows.js';

/** A CRL without its octets, which lie in a file of their own. */
export interface CrlRecord extends Omit<StoredCrl, 'der'> {
  /** Its file, see `crlFile`. */
  readonly fileId: string;
  /** Of the file, in octets. */
  readonly bytes: number;
  readonly sha256: Uint8Array;
}

/** The CRLs in force, one of each scope and kind. */
export class CrlTable {
  readonly #db: DatabaseSync;
  readonly #sums: ScopeSums | undefined;

  /** @param sums Absent: what a CRL is said to have is believed. */
  constructor(db: DatabaseSync, sums?: ScopeSums) {
    this.#db = db;
    this.#sums = sums;
  }

  find({ issuer, shard }: CrlScope, kind: StoredCrl['kind']): CrlRecord | undefined {
    const row = this.#db
      .prepare('SELECT * FROM crls WHERE issuer = ? AND shard = ? AND kind = ?')
      .get(issuer, shard, kind);
    if (row === undefined) return undefined;
    const record = recordOf(row);
    // One that says more than it was made of would have a delta leave that out: it is made anew.
    const isSound = this.#sums?.isCrlSound(bytesIn(row, 'seal'), record) ?? true;
    return isSound ? record : { ...record, changes: 0 };
  }

  /** The most changes that a CRL in force is known to have; -1 where there is none. */
  countListed({ issuer, shard }: CrlScope): number {
    const rows = this.#db
      .prepare('SELECT * FROM crls WHERE issuer = ? AND shard = ?')
      .all(issuer, shard);
    const counts = rows.map((row) => {
      const record = recordOf(row);
      // Without its seal nobody knows how many, but who took that away does not tell of none.
      return (this.#sums?.isCrlSound(bytesIn(row, 'seal'), record) ?? true) ? record.changes : 1;
    });
    return Math.max(-1, ...counts);
  }

  put(record: CrlRecord): void {
    const { scope, ...crl } = record;
    this.#db
      .prepare('INSERT OR REPLACE INTO crls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
      .run(
        scope.issuer,
        scope.shard,
        crl.kind,
        String(crl.crlNumber),
        crl.thisUpdateMs,
        crl.nextUpdateMs,
        crl.entries,
        crl.changes,
        Number(crl.hasDeltas),
        crl.fileId,
        crl.bytes,
        crl.sha256,
        this.#sums?.sealCrl(record) ?? new Uint8Array(),
      );
  }

  /**
   * Of a copy that takes the place of what was backed up: others may have been published since, which it does
   * not know, so that new ones, with higher numbers, are to come at once (RFC 5280 5.2.3).
   */
  makeDue(): void {
    this.#db.exec('UPDATE crls SET next_update_ms = this_update_ms');
  }

  files(): readonly Pick<CrlRecord, 'fileId'>[] {
    const rows = this.#db.prepare('SELECT file_id FROM crls').all();
    return rows.map((row) => ({ fileId: textIn(row, 'file_id') }));
  }
}

function recordOf(row: Row): CrlRecord {
  return {
    scope: { issuer: textIn(row, 'issuer'), shard: numberIn(row, 'shard') },
    kind: textIn(row, 'kind') === 'delta' ? 'delta' : 'full',
    crlNumber: BigInt(textIn(row, 'crl_number')),
    thisUpdateMs: numberIn(row, 'this_update_ms'),
    nextUpdateMs: numberIn(row, 'next_update_ms'),
    entries: numberIn(row, 'entries'),
    changes: numberIn(row, 'changes'),
    hasDeltas: numberIn(row, 'has_deltas') === 1,
    fileId: textIn(row, 'file_id'),
    bytes: numberIn(row, 'bytes'),
    sha256: bytesIn(row, 'sha256'),
  };
}
