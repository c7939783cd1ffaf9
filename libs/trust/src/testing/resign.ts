import { type KeyLike, sign } from 'node:crypto';
import { encodeBitString, encodeSequence } from '@certmill/der';
import { readDerNode } from '../lint/der-node.js';

/**
 * A certificate or CRL with an altered TBS part and a new signature over it, ECDSA with SHA-256; the outer
 * AlgorithmIdentifier stays.
 * @param alter gets a copy of the TBS element, and may change it.
 */
export function resign(
  der: Uint8Array,
  key: KeyLike,
  alter: (tbs: Uint8Array) => Uint8Array,
): Uint8Array {
  const [tbs, algorithm] = readDerNode(der)?.children ?? [];
  const altered = alter(Uint8Array.from(tbs?.der ?? []));
  const signature = encodeBitString(sign('sha256', altered, key));
  return encodeSequence(altered, algorithm?.der ?? new Uint8Array(), signature);
}

/** `bytes` with its one occurrence of `from` replaced; the lengths around it stay as they are. */
export function replaceBytes(bytes: Uint8Array, from: Uint8Array, to: Uint8Array): Uint8Array {
  const at = Buffer.from(bytes).indexOf(from);
  const replaced = Uint8Array.from(bytes);
  replaced.set(to, at);
  return replaced;
}
