import { CertmillError } from '@certmill/domain';
import { addTo, zeroSum, type Sum } from './scope-sums.js';

/** A listing of a scope up to one of its rows. */
interface Scan {
  readonly seq: number;
  readonly listing: number;
  readonly upTo: Uint8Array;
  /** Of the rows that its pages had. */
  readonly sum: Sum;
  /** By the scope's count of changes: what each has changed since in the rows that were read. */
  readonly since: Map<number, Sum | undefined>;
}

const scansKept = 64;
const lostKept = 4_096;
const changesKept = 65_536;

/**
 * Listings that go on page by page while rows change: at its end one tells the sum of all rows as they are
 * then. A listing that was lost on its way is told so, for its rows cannot be checked.
 */
export class ScopeScans {
  readonly #scans = new Map<string, Scan>();
  readonly #lost = new Set<string>();
  #listings = 0;

  /**
   * The sum of the rows of a listing up to and with this page.
   * @param after Undefined: it begins. A page behind a row at which no listing was is part of none.
   * Faults: FAULT_OVERLOADED where it was lost; it begins anew.
   */
  goOn(seq: number, after: Uint8Array | undefined): ScanPage | undefined {
    const place = { seq, sum: zeroSum(), since: new Map<number, Sum | undefined>() };
    if (after === undefined) return this.#pageOf({ ...place, listing: (this.#listings += 1) });
    const key = keyOf(seq, after);
    const before = this.#scans.get(key);
    if (before !== undefined) {
      const { listing, sum, since } = before;
      return this.#pageOf({ ...place, listing, sum: sum.slice(), since: new Map(since) });
    }
    if (!this.#lost.has(key)) return undefined;
    throw new CertmillError('FAULT_OVERLOADED', 'a listing of revocations took too long');
  }

  /** A row has changed, or has come: a listing that is past it has another sum. */
  changed(seq: number, serialNumber: Uint8Array, change: number, delta: Sum): void {
    for (const [key, scan] of this.#scans) {
      if (scan.seq !== seq) continue;
      // Set in any case: the change of that number may have been one that was undone.
      const isPast = Buffer.compare(serialNumber, scan.upTo) <= 0;
      scan.since.set(change, isPast ? delta : undefined);
      if (scan.since.size > changesKept) this.#lose(key);
    }
  }

  /** Rows of the scope went away. */
  lose(seq: number): void {
    for (const [key, scan] of this.#scans) if (scan.seq === seq) this.#lose(key);
  }

  #pageOf(scan: Omit<Scan, 'upTo'>): ScanPage {
    return {
      add: (sum) => addTo(scan.sum, sum),
      upTo: (lookedUpTo) => {
        const key = keyOf(scan.seq, lookedUpTo);
        this.#scans.delete(key);
        this.#scans.set(key, { ...scan, upTo: lookedUpTo });
        for (const oldest of this.#scans.keys()) {
          if (this.#scans.size <= scansKept) break;
          this.#lose(oldest);
        }
      },
      end: (changes) => {
        for (const [key, { listing }] of this.#scans) if (listing === scan.listing) this.#lose(key);
        for (const [change, delta] of scan.since) {
          if (delta !== undefined && change <= changes) addTo(scan.sum, delta);
        }
        return scan.sum;
      },
    };
  }

  #lose(key: string): void {
    this.#scans.delete(key);
    this.#lost.add(key);
    for (const oldest of this.#lost) {
      if (this.#lost.size <= lostKept) return;
      this.#lost.delete(oldest);
    }
  }
}

/** A page of a listing. */
export interface ScanPage {
  add(row: Sum): void;
  /** There is more behind this row. */
  upTo(lookedUpTo: Uint8Array): void;
  /** It was the last: the sum of all rows, of a scope with so many changes. */
  end(changes: number): Sum;
}

function keyOf(seq: number, serialNumber: Uint8Array): string {
  return `${String(seq)}/${Buffer.from(serialNumber).toString('hex')}`;
}
