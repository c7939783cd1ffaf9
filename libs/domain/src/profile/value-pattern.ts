import { RE2JS } from 're2js';
import { CertmillError } from '../faults.js';

/**
 * The `pattern` of a profile's field, in the syntax of RE2 (ADR 0036). Tenants write it and their devices say what is
 * matched: that takes time linear in the length of the value, whatever both have thought of.
 */
export class ValuePattern {
  readonly #compiled: RE2JS;

  /** Throws PROFILE_INVALID. */
  constructor(source: string) {
    try {
      this.#compiled = RE2JS.compile(source);
    } catch (cause) {
      const why = cause instanceof Error ? `: ${cause.message}` : '';
      throw new CertmillError('PROFILE_INVALID', `not a regular expression of RE2${why}`, {
        cause,
      });
    }
  }

  /** Steps that one character may take. */
  get size(): number {
    return this.#compiled.programSize();
  }

  /** Whether all of the value is as the pattern says. */
  matches(value: string): boolean {
    return this.#compiled.matches(value);
  }
}
