import type { PublicKeyWalk } from '@certmill/der';
import { hasCloseFactors } from './fermat.js';
import { isRocaModulus } from './roca.js';
import { smallFactorBound, smallFactorOf } from './small-factors.js';

/** NIST SP 800-56B rev. 2, 6.2.1 (and CA/Browser Forum BR 6.1.6): 2^16 < e < 2^256, e odd. */
const minExponent = 65_537n;
const maxExponentBits = 256;

/**
 * What is structurally wrong with an RSA key, as a clause for the detail; undefined for a sound one.
 * Cost of a sound key: about 100 us for 2048 bits and 160 us for 4096 (validate.bench.ts). Nothing is
 * cached, because each key of a fleet is seen once.
 */
export function rsaWeaknessOf(bytes: Uint8Array, walk: PublicKeyWalk): string | undefined {
  const exponentIsEven = ((bytes[walk.exponentEnd - 1] ?? 0) & 1) === 0;
  if (exponentIsEven) return 'the public exponent is even: it must be odd and at least 65537';
  if ((walk.exponentEnd - walk.exponentStart) * 8 > maxExponentBits) {
    return 'the public exponent has more than 256 bits: use 65537';
  }
  const exponent = magnitude(bytes, walk.exponentStart, walk.exponentEnd);
  if (exponent < minExponent) {
    return `the public exponent is ${exponent.toString()}: it must be odd and at least 65537`;
  }
  if (((bytes[walk.modulusEnd - 1] ?? 0) & 1) === 0) return 'the modulus is even';
  const modulus = magnitude(bytes, walk.modulusStart, walk.modulusEnd);
  const factor = smallFactorOf(modulus);
  if (factor !== 0) {
    return (
      `the modulus is divisible by ${factor.toString()}: ` +
      `a sound key has no prime factor below ${smallFactorBound.toString()}`
    );
  }
  if (isRocaModulus(modulus)) {
    return 'the key has the fingerprint of ROCA (CVE-2017-15361): update the secure element';
  }
  if (hasCloseFactors(modulus)) {
    return 'the two primes of the modulus are so close that it can be factored by Fermat';
  }
  return undefined;
}

function magnitude(bytes: Uint8Array, start: number, end: number): bigint {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
  return BigInt(`0x${view.toString('hex')}`);
}
