import { RE2JS } from 're2js';
import { CertmillError } from '../faults.js';

/**
 * Stands before a pattern and matches nothing, for nothing follows the end. Of a pattern that begins with `^` re2js makes a
 * second program (one-pass), which takes time cubic in the pattern: `^(?:a?b?c?...` of 512 characters takes a second.
 */
const neverOnePass = String.raw`\z.|`;

/**
 * The `pattern` of a profile's field, in the syntax of RE2 (ADR 0036). Tenants write it and their devices say what is
 * matched: that takes time linear in the length of the value, whatever both have thought of.
 */
export class ValuePattern {
  readonly #compiled: RE2JS;

  /** Throws PROFILE_INVALID. */
  constructor(source: string) {
    try {
      this.#compiled = RE2JS.compile(`${neverOnePass}${source}`);
    } catch (cause) {
      const why = cause instanceof Error ? `: ${cause.message.replace(neverOnePass, '')}` : '';
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
