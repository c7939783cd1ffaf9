import { CertmillError } from '@certmill/domain';
import { addTo, zeroSum, type Sum } from './scope-sums.js';

/** A listing of a scope up to one of its rows. */
interface Scan {
  readonly seq: number;
  readonly upTo: Uint8Array;
  /** Of the rows that its pages had. */
  readonly sum: Sum;
  /** By the scope's count of changes: what each has changed since in the rows that were read. */
  readonly since: Map<number, Sum | undefined>;
}

const scansKept = 64;
const changesKept = 65_536;

/**
 * Listings that go on page by page while rows change: at its end one tells the sum of all rows as they are
 * then. The rows of one that is not known here (any more) cannot be checked, so it does not go on.
 */
export class ScopeScans {
  /** By listing, the one that went on last at the end. */
  readonly #scans = new Map<string, Scan>();

  /**
   * The next page of a listing.
   * @param after Undefined: it begins.
   * Faults: FAULT_OVERLOADED where it was not at that row; it begins anew.
   */
  goOn(listing: string, seq: number, after: Uint8Array | undefined): ScanPage {
    const none = { seq, sum: zeroSum(), since: new Map<number, Sum | undefined>() };
    if (after === undefined) return this.#pageOf(listing, none);
    const scan = this.#scans.get(listing);
    if (scan?.seq !== seq || Buffer.compare(scan.upTo, after) !== 0) {
      throw new CertmillError('FAULT_OVERLOADED', 'a listing of revocations has to begin anew');
    }
    return this.#pageOf(listing, { ...scan, sum: scan.sum.slice() });
  }

  /** A row has changed, or has come: a listing that is past it has another sum. */
  changed(seq: number, serialNumber: Uint8Array, change: number, delta: Sum): void {
    for (const [listing, scan] of this.#scans) {
      if (scan.seq !== seq) continue;
      // Set in any case: the change of that number may have been one that was undone.
      const isPast = Buffer.compare(serialNumber, scan.upTo) <= 0;
      scan.since.set(change, isPast ? delta : undefined);
      if (scan.since.size > changesKept) this.#scans.delete(listing);
    }
  }

  #pageOf(listing: string, scan: Omit<Scan, 'upTo'>): ScanPage {
    return {
      add: (sum) => addTo(scan.sum, sum),
      upTo: (lookedUpTo) => {
        this.#scans.delete(listing);
        this.#scans.set(listing, { ...scan, upTo: lookedUpTo });
        for (const oldest of this.#scans.keys()) {
          if (this.#scans.size <= scansKept) break;
          this.#scans.delete(oldest);
        }
      },
      end: (changes) => {
        this.#scans.delete(listing);
        for (const [change, delta] of scan.since) {
          if (delta !== undefined && change <= changes) addTo(scan.sum, delta);
        }
        return scan.sum;
      },
    };
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
