import { CertmillError } from '@certmill/domain';
import { formatNumber } from '../terminal/quantities.js';

/** The value of an option; INVALID_INPUT where it is no whole number in this range. */
export function wholeNumber(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new CertmillError(
      'INVALID_INPUT',
      `${option} must be a whole number from ${formatNumber(min)} to ${formatNumber(max)}`,
    );
  }
  return value;
}
