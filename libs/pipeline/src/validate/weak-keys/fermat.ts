/**
 * Rounds of Fermat's method. The keys of CVE-2022-26320 fall in the first round; a generator that
 * draws its primes independently needs some 2^(bits/4) of them. A CA for the public web looks 100
 * rounds ahead as well.
 */
export const fermatRounds = 100;

// Squares modulo 64 and 3 * 5 * 7 * 11: most numbers are told to be no squares without a root.
const isSquareModulo64 = squaresModulo(64);
const isSquareModulo1155 = squaresModulo(1_155);

function squaresModulo(modulus: number): Uint8Array {
  const isSquare = new Uint8Array(modulus);
  for (let root = 0; root < modulus; root += 1) isSquare[(root * root) % modulus] = 1;
  return isSquare;
}

/**
 * Whether Fermat's method factors the odd `modulus` in `fermatRounds`: its primes are so close that
 * (p + q) / 2 is one of the first integers from the square root on, and a^2 - modulus a square.
 */
export function hasCloseFactors(modulus: bigint): boolean {
  let a = floorSqrt(modulus);
  if (a * a < modulus) a += 1n;
  let rest = a * a - modulus;
  for (let round = 0; round < fermatRounds; round += 1) {
    if (isSquare(rest)) return true;
    rest += 2n * a + 1n;
    a += 1n;
  }
  return false;
}

function isSquare(value: bigint): boolean {
  if (isSquareModulo64[Number(BigInt.asUintN(6, value))] !== 1) return false;
  if (isSquareModulo1155[Number(value % 1_155n)] !== 1) return false;
  const root = floorSqrt(value);
  return root * root === value;
}

/** Newton's method from above, starting within a factor of two of the root. */
export function floorSqrt(value: bigint): bigint {
  if (value < 2n) return value;
  const bits = value.toString(16).length * 4;
  let root = 1n << BigInt((bits + 1) >> 1);
  for (;;) {
    const next = (root + value / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}
