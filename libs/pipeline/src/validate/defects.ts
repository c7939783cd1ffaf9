import { rejectionCodeOf, rejectionNumber, type RejectionCode } from '@certmill/domain';
import { maxDetailLength, safeText } from './detail-text.js';

/**
 * What is wrong with one request, collected while it is examined. The request's code is the first in
 * the catalogue's order; the codes of the other defects are named at the end of its detail. The
 * caller owns it and clears it between requests.
 */
export class Defects {
  /** The number of the first defect in the catalogue's order; 0 while there is none. */
  number = 0;
  private detail = '';
  private readonly others = new Set<number>();

  clear(): void {
    if (this.number === 0) return;
    this.number = 0;
    this.detail = '';
    this.others.clear();
  }

  /** @param detail what was found and what was expected, as a clause without a full stop. */
  add(code: RejectionCode, detail: string): void {
    const number = rejectionNumber(code);
    if (this.number !== 0) this.others.add(Math.max(number, this.number));
    if (this.number !== 0 && number >= this.number) return;
    this.number = number;
    this.detail = detail;
  }

  /** The sentence for the verdict; '' while there is no defect. */
  text(): string {
    if (this.number === 0) return '';
    const others = [...this.others]
      .filter((number) => number !== this.number)
      .sort((left, right) => left - right)
      .map((number) => rejectionCodeOf(number));
    const suffix = others.length === 0 ? '' : `; also ${others.join(', ')}`;
    return `${safeText(this.detail, maxDetailLength - suffix.length)}${suffix}`;
  }
}
