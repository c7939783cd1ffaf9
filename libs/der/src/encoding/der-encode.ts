import { CertmillDerError } from './der-error.js';
import { encodeTimeContent, isUtcTimeYear } from './der-time.js';
import { tags } from './tags.js';

/** Joins byte runs into a new array. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let position = 0;
  for (const part of parts) {
    joined.set(part, position);
    position += part.length;
  }
  return joined;
}

/** Octets that `encodeLength(length)` takes. */
export function lengthOctets(length: number): number {
  if (length < 0x80) return 1;
  let octets = 1;
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets += 1;
  return octets;
}

/** Definite form with as few octets as possible (X.690 8.1.3, 10.1). */
export function encodeLength(length: number): Uint8Array {
  if (!Number.isSafeInteger(length) || length < 0) {
    throw new CertmillDerError('argument-invalid', 'a length is a non-negative integer');
  }
  const encoded = new Uint8Array(lengthOctets(length));
  if (encoded.length === 1) {
    encoded[0] = length;
    return encoded;
  }
  encoded[0] = 0x80 | (encoded.length - 1);
  for (let index = encoded.length - 1, rest = length; index > 0; index -= 1) {
    encoded[index] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return encoded;
}

/** One element: identifier octet, length, content. */
export function encodeTlv(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  const length = content.reduce((total, part) => total + part.length, 0);
  return concatBytes([Uint8Array.of(tag), encodeLength(length), ...content]);
}

export function encodeSequence(...elements: readonly Uint8Array[]): Uint8Array {
  return encodeTlv(tags.sequence, ...elements);
}

/** SET OF in DER order (X.690 11.6). */
export function encodeSetOf(...elements: readonly Uint8Array[]): Uint8Array {
  return encodeTlv(tags.set, ...[...elements].sort(compareDer));
}

/** The order of SET OF elements: as octet strings. One element is never a prefix of another. */
export function compareDer(left: Uint8Array, right: Uint8Array): number {
  return Buffer.compare(left, right);
}

export function encodeBoolean(value: boolean): Uint8Array {
  return Uint8Array.of(tags.boolean, 1, value ? 0xff : 0x00);
}

export function encodeNull(): Uint8Array {
  return Uint8Array.of(tags.null, 0);
}

/** INTEGER (X.690 8.3) of a number or bigint; of bytes as an unsigned big-endian magnitude. */
export function encodeInteger(value: number | bigint | Uint8Array): Uint8Array {
  return encodeTlv(
    tags.integer,
    value instanceof Uint8Array ? unsignedContent(value) : signedContent(BigInt(value)),
  );
}

function unsignedContent(magnitude: Uint8Array): Uint8Array {
  let start = 0;
  while (start < magnitude.length && magnitude[start] === 0) start += 1;
  const digits = magnitude.subarray(start);
  const first = digits[0];
  return first === undefined || first >= 0x80 ? concatBytes([Uint8Array.of(0), digits]) : digits;
}

function signedContent(value: bigint): Uint8Array {
  let octets = 1;
  while (BigInt.asIntN(octets * 8, value) !== value) octets += 1;
  const content = new Uint8Array(octets);
  for (let index = octets - 1, rest = value; index >= 0; index -= 1) {
    content[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return content;
}

/** Content octets of an OBJECT IDENTIFIER in dotted form (X.690 8.19). */
export function encodeOidContent(dotted: string): Uint8Array {
  if (!/^[0-2](\.(0|[1-9][0-9]*))+$/.test(dotted)) {
    throw new CertmillDerError('argument-invalid', `not an object identifier: ${dotted}`);
  }
  const [root = 0n, second = 0n, ...rest] = dotted.split('.').map(BigInt);
  if (root < 2n && second > 39n) {
    throw new CertmillDerError('argument-invalid', `not an object identifier: ${dotted}`);
  }
  const content: number[] = [];
  for (const arc of [root * 40n + second, ...rest]) {
    const septets = [Number(arc & 0x7fn)];
    for (let high = arc >> 7n; high > 0n; high >>= 7n) septets.unshift(0x80 | Number(high & 0x7fn));
    content.push(...septets);
  }
  return Uint8Array.from(content);
}

export function encodeOid(dotted: string): Uint8Array {
  return encodeTlv(tags.objectIdentifier, encodeOidContent(dotted));
}

export function encodeOctetString(content: Uint8Array): Uint8Array {
  return encodeTlv(tags.octetString, content);
}

/** BIT STRING of whole octets. */
export function encodeBitString(content: Uint8Array): Uint8Array {
  return encodeTlv(tags.bitString, Uint8Array.of(0), content);
}

/** BIT STRING of a NamedBitList: trailing zero bits are left out (X.690 11.2.2). */
export function encodeNamedBits(bits: readonly number[]): Uint8Array {
  const highest = Math.max(-1, ...bits);
  const octets = new Uint8Array(Math.ceil((highest + 1) / 8));
  for (const bit of bits) {
    const index = bit >> 3;
    octets[index] = (octets[index] ?? 0) | (0x80 >> (bit & 7));
  }
  const unused = highest < 0 ? 0 : 7 - (highest & 7);
  return encodeTlv(tags.bitString, Uint8Array.of(unused), octets);
}

/** Time of RFC 5280 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050 on. */
export function encodeTime(epochSeconds: number): Uint8Array {
  return encodeTlv(
    isUtcTimeYear(epochSeconds) ? tags.utcTime : tags.generalizedTime,
    encodeTimeContent(epochSeconds),
  );
}

/** `AlgorithmIdentifier ::= SEQUENCE { algorithm OBJECT IDENTIFIER, parameters ANY OPTIONAL }`. */
export function encodeAlgorithmIdentifier(oid: string, parameters?: Uint8Array): Uint8Array {
  return parameters === undefined
    ? encodeSequence(encodeOid(oid))
    : encodeSequence(encodeOid(oid), parameters);
}
