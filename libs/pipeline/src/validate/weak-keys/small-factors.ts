import { primesBelow, productOf } from './primes.js';

/** A sound generator never makes a modulus with a factor below this. */
export const smallFactorBound = 4_096;

interface Node {
  readonly product: bigint;
  readonly children: readonly Node[];
  /** Set in leaves, whose product fits a 32-bit division. */
  readonly primes: readonly number[];
}

/** A remainder tree: one long division at the top, ever shorter ones below. */
function treeOf(primes: readonly number[]): Node {
  const product = productOf(primes);
  if (primes.length <= 2) return { product, children: [], primes };
  const width = Math.ceil(primes.length / 4);
  const children: Node[] = [];
  for (let start = 0; start < primes.length; start += width) {
    children.push(treeOf(primes.slice(start, start + width)));
  }
  return { product, children, primes: [] };
}

const tree = treeOf(primesBelow(smallFactorBound));

/** The smallest prime below `smallFactorBound` that divides `modulus`, or 0. */
export function smallFactorOf(modulus: bigint): number {
  return searchIn(tree, modulus);
}

function searchIn(node: Node, value: bigint): number {
  const remainder = value % node.product;
  if (node.children.length === 0) {
    const small = Number(remainder);
    return node.primes.find((prime) => small % prime === 0) ?? 0;
  }
  for (const child of node.children) {
    const factor = searchIn(child, remainder);
    if (factor !== 0) return factor;
  }
  return 0;
}
