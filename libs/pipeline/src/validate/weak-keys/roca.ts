import { primesBelow, productOf } from './primes.js';

/**
 * ROCA (CVE-2017-15361): a widely used library of secure elements made primes of the form
 * k * M + (65537^a mod M), M the product of the first primes. So does every product of two of them,
 * which leaves a mark in the modulus: for each small prime it is a power of 65537. (Nemec et al.,
 * "The Return of Coppersmith's Attack", ACM CCS 2017, section 2.) All key sizes of the library use
 * at least the primes up to 167.
 */
const generator = 65_537;

interface Marker {
  readonly prime: number;
  /** Order of 65537 modulo the prime. */
  readonly order: number;
  /** The discrete logarithm of each residue to the base 65537; -1 for those that are no power. */
  readonly logarithms: Int16Array;
}

const markers: readonly Marker[] = primesBelow(168)
  .filter((prime) => prime > 2)
  .map(markerOf);
const product = productOf(markers.map((marker) => marker.prime));

function markerOf(prime: number): Marker {
  const logarithms = new Int16Array(prime).fill(-1);
  let order = 0;
  for (let power = 1; logarithms[power] === -1; power = (power * generator) % prime) {
    logarithms[power] = order;
    order += 1;
  }
  return { prime, order, logarithms };
}

/**
 * Whether the modulus has the mark of ROCA: it is a power of 65537 modulo each prime up to 167, and
 * the exponents agree with one another (which leaves no false positive in practice: the first test
 * passes about one in 2^27 sound keys, the second one in 2^150 or so).
 */
export function isRocaModulus(modulus: bigint): boolean {
  const residue = modulus % product;
  const logarithms: number[] = [];
  for (const { prime, logarithms: table } of markers) {
    const logarithm = table[Number(residue % BigInt(prime))] ?? -1;
    if (logarithm < 0) return false;
    logarithms.push(logarithm);
  }
  return markers.every(({ order }, i) =>
    markers.every((other, j) => {
      const common = greatestCommonDivisor(order, other.order);
      return ((logarithms[i] ?? 0) - (logarithms[j] ?? 0)) % common === 0;
    }),
  );
}

function greatestCommonDivisor(left: number, right: number): number {
  return right === 0 ? left : greatestCommonDivisor(right, left % right);
}
