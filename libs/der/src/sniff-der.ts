import { encodeOidContent } from './der-encode.js';
import { contextConstructed, tags } from './tags.js';

/** What an input looks like from the outside. */
export type DerShape =
  | 'certification-request'
  | 'certificate'
  | 'private-key'
  | 'public-key'
  | 'pkcs7'
  | 'pkcs12'
  | 'other'
  | 'not-der';

const pkcs7Arc = encodeOidContent('1.2.840.113549.1.7');

/**
 * Tells what an upload is from a few headers, without judging its inside. Every shape but one
 * needs an outer SEQUENCE that ends where the input ends. A private key is recognised even when it
 * is cut short, followed by something, or BER: whatever might be one must not become durable.
 */
export function sniffDer(bytes: Uint8Array, start = 0, end: number = bytes.length): DerShape {
  const outer = element(bytes, start, end);
  if (outer?.tag !== tags.sequence) return 'not-der';
  const children = childrenOf(bytes, outer, 4);
  if (isPrivateKey(bytes, children)) return 'private-key';
  if (!outer.isComplete || outer.end !== end) return 'not-der';
  return shapeOf(bytes, children);
}

interface Element {
  readonly tag: number;
  readonly contentStart: number;
  /** Where it says that it ends, or the end of what is around it if that comes first. */
  readonly end: number;
  readonly isComplete: boolean;
}

/** Lenient, for private keys' sake: any length form, elements that are cut short. */
function element(bytes: Uint8Array, start: number, limit: number): Element | undefined {
  if (start + 2 > limit) return undefined;
  const tag = bytes[start] as number;
  const first = bytes[start + 1] as number;
  if (first < 0x80) return bounded(tag, start + 2, first, limit);
  const octets = first & 0x7f;
  if (octets === 0) return { tag, contentStart: start + 2, end: limit, isComplete: false };
  if (start + 2 + octets > limit) return undefined;
  let length = 0;
  for (let index = 0; index < octets; index += 1) {
    length = Math.min(length * 256 + (bytes[start + 2 + index] as number), 2 ** 40);
  }
  return bounded(tag, start + 2 + octets, length, limit);
}

function bounded(tag: number, contentStart: number, length: number, limit: number): Element {
  const isComplete = length <= limit - contentStart;
  return { tag, contentStart, end: isComplete ? contentStart + length : limit, isComplete };
}

function childrenOf(bytes: Uint8Array, parent: Element, count: number): Element[] {
  const children: Element[] = [];
  for (let position = parent.contentStart; children.length < count;) {
    const child = element(bytes, position, parent.end);
    if (child === undefined) break;
    children.push(child);
    position = child.end;
  }
  return children;
}

function tagsOf(children: readonly Element[]): (number | undefined)[] {
  return [0, 1, 2, 3].map((index) => children[index]?.tag);
}

/**
 * PrivateKeyInfo (RFC 5958 2): INTEGER 0|1, SEQUENCE, OCTET STRING. EncryptedPrivateKeyInfo (3):
 * SEQUENCE, OCTET STRING. ECPrivateKey (RFC 5915 3): INTEGER 1, OCTET STRING. RSAPrivateKey (RFC
 * 8017 A.1.2), and DSA's traditional form: INTEGER 0|1, INTEGER, INTEGER, ...
 */
function isPrivateKey(bytes: Uint8Array, children: readonly Element[]): boolean {
  const [first, second, third] = tagsOf(children);
  if (first === tags.sequence) return second === tags.octetString;
  if (first !== tags.integer) return false;
  const version = children[0];
  const isVersion =
    version !== undefined &&
    version.end - version.contentStart === 1 &&
    (bytes[version.contentStart] as number) <= 1;
  if (!isVersion) return false;
  if (second === tags.octetString) return true;
  if (second === tags.integer) return third === tags.integer;
  return second === tags.sequence && third === tags.octetString;
}

function shapeOf(bytes: Uint8Array, children: readonly Element[]): DerShape {
  const [first, second, third, fourth] = tagsOf(children);
  const [head] = children;
  if (head === undefined) return 'other';
  if (first === tags.sequence && second === tags.sequence && third === tags.bitString) {
    return fourth === undefined ? signedShapeOf(bytes, head) : 'other';
  }
  if (first === tags.sequence && second === tags.bitString && third === undefined) {
    return 'public-key';
  }
  if (first === tags.integer && second === tags.integer && third === undefined) {
    return 'public-key';
  }
  if (first === tags.objectIdentifier && second === contextConstructed(0)) {
    const isPkcs7 = pkcs7Arc.every((octet, index) => bytes[head.contentStart + index] === octet);
    return isPkcs7 ? 'pkcs7' : 'other';
  }
  // PFX ::= SEQUENCE { version INTEGER {v3(3)}, authSafe ContentInfo, macData OPTIONAL } (RFC 7292).
  const isPfx = first === tags.integer && bytes[head.contentStart] === 3;
  return isPfx && second === tags.sequence ? 'pkcs12' : 'other';
}

/** A CSR, a certificate or a CRL, by what is signed. */
function signedShapeOf(bytes: Uint8Array, signed: Element): DerShape {
  const parts = childrenOf(bytes, signed, 4);
  const [first, second, third, fourth] = tagsOf(parts);
  if (first === contextConstructed(0)) return 'certificate';
  if (first !== tags.integer || second !== tags.sequence || third !== tags.sequence) return 'other';
  const [, subject] = parts;
  // A v1 certificate has an AlgorithmIdentifier where a CSR has its subject, a CRL too.
  const isAlgorithm =
    subject !== undefined &&
    subject.end > subject.contentStart &&
    bytes[subject.contentStart] === tags.objectIdentifier;
  if (!isAlgorithm) return 'certification-request';
  return fourth === tags.sequence ? 'certificate' : 'other';
}
