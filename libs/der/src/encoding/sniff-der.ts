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

/** Of a whole upload every request is looked at: the elements are reused, nothing is allocated. */
interface Element {
  /** -1 where there is no such element. */
  tag: number;
  contentStart: number;
  /** Where it says that it ends, or the end of what is around it if that comes first. */
  end: number;
  isComplete: boolean;
}

type Elements = readonly [Element, Element, Element, Element];

const outer = anElement();
const inner: Elements = [anElement(), anElement(), anElement(), anElement()];
const signedParts: Elements = [anElement(), anElement(), anElement(), anElement()];

function anElement(): Element {
  return { tag: -1, contentStart: 0, end: 0, isComplete: false };
}

/**
 * Tells what an upload is from a few headers, without judging its inside. Every shape but one
 * needs an outer SEQUENCE that ends where the input ends. A private key is recognised even when it
 * is cut short, followed by something, or BER: whatever might be one must not become durable.
 */
export function sniffDer(bytes: Uint8Array, start = 0, end: number = bytes.length): DerShape {
  readElement(bytes, start, end, outer);
  if (outer.tag !== tags.sequence) return 'not-der';
  readChildren(bytes, outer, inner);
  if (isPrivateKey(bytes, inner)) return 'private-key';
  if (!outer.isComplete || outer.end !== end) return 'not-der';
  return shapeOf(bytes, inner);
}

/** Lenient, for private keys' sake: any length form, elements that are cut short. */
function readElement(bytes: Uint8Array, start: number, limit: number, into: Element): void {
  into.tag = -1;
  into.isComplete = false;
  if (start + 2 > limit) return;
  const first = bytes[start + 1] as number;
  let contentStart = start + 2;
  let length = first;
  if (first === 0x80) {
    length = Infinity;
  } else if (first > 0x80) {
    contentStart += first & 0x7f;
    if (contentStart > limit) return;
    length = 0;
    for (let at = start + 2; at < contentStart; at += 1) {
      length = Math.min(length * 256 + (bytes[at] as number), 2 ** 40);
    }
  }
  into.tag = bytes[start] as number;
  into.contentStart = contentStart;
  into.isComplete = length <= limit - contentStart;
  into.end = into.isComplete ? contentStart + length : limit;
}

function readChildren(bytes: Uint8Array, parent: Element, children: Elements): void {
  let position = parent.contentStart;
  for (const child of children) {
    readElement(bytes, position, parent.end, child);
    // After one that cannot be read there is none.
    position = child.tag === -1 ? parent.end : child.end;
  }
}

/**
 * PrivateKeyInfo (RFC 5958 2): INTEGER 0|1, SEQUENCE, OCTET STRING. EncryptedPrivateKeyInfo (3):
 * SEQUENCE, OCTET STRING. ECPrivateKey (RFC 5915 3): INTEGER 1, OCTET STRING. RSAPrivateKey (RFC
 * 8017 A.1.2), and DSA's traditional form: INTEGER 0|1, INTEGER, INTEGER, ...
 */
function isPrivateKey(bytes: Uint8Array, [first, second, third]: Elements): boolean {
  if (first.tag === tags.sequence) return second.tag === tags.octetString;
  if (first.tag !== tags.integer) return false;
  const isVersion =
    first.end - first.contentStart === 1 && (bytes[first.contentStart] as number) <= 1;
  if (!isVersion) return false;
  if (second.tag === tags.octetString) return true;
  if (second.tag === tags.integer) return third.tag === tags.integer;
  return second.tag === tags.sequence && third.tag === tags.octetString;
}

function shapeOf(bytes: Uint8Array, [first, second, third, fourth]: Elements): DerShape {
  if (first.tag === -1) return 'other';
  if (first.tag === tags.sequence && second.tag === tags.sequence && third.tag === tags.bitString) {
    return fourth.tag === -1 ? signedShapeOf(bytes, first) : 'other';
  }
  if (first.tag === tags.sequence && second.tag === tags.bitString && third.tag === -1) {
    return 'public-key';
  }
  if (first.tag === tags.integer && second.tag === tags.integer && third.tag === -1) {
    return 'public-key';
  }
  if (first.tag === tags.objectIdentifier && second.tag === contextConstructed(0)) {
    const isPkcs7 = pkcs7Arc.every((octet, index) => bytes[first.contentStart + index] === octet);
    return isPkcs7 ? 'pkcs7' : 'other';
  }
  // PFX ::= SEQUENCE { version INTEGER {v3(3)}, authSafe ContentInfo, macData OPTIONAL } (RFC 7292).
  const isPfx = first.tag === tags.integer && bytes[first.contentStart] === 3;
  return isPfx && second.tag === tags.sequence ? 'pkcs12' : 'other';
}

/** A CSR, a certificate or a CRL, by what is signed. */
function signedShapeOf(bytes: Uint8Array, signed: Element): DerShape {
  readChildren(bytes, signed, signedParts);
  const [first, second, third, fourth] = signedParts;
  if (first.tag === contextConstructed(0)) return 'certificate';
  if (first.tag !== tags.integer || second.tag !== tags.sequence || third.tag !== tags.sequence) {
    return 'other';
  }
  // A v1 certificate has an AlgorithmIdentifier where a CSR has its subject, a CRL too.
  const isAlgorithm =
    second.end > second.contentStart && bytes[second.contentStart] === tags.objectIdentifier;
  if (!isAlgorithm) return 'certification-request';
  return fourth.tag === tags.sequence ? 'certificate' : 'other';
}
