import { decodeOid, tags } from '@certmill/der';

/**
 * One DER element with what it contains. The linter reads with a small tree reader of its own, not
 * with the walk of the hot path: two readers that agree are worth more than one.
 */
export interface DerNode {
  readonly tag: number;
  /** Content octets: a view into the bytes that were read. */
  readonly content: Uint8Array;
  /** The whole element: a view as well. */
  readonly der: Uint8Array;
  /** Elements inside a constructed one; empty for a primitive one. */
  readonly children: readonly DerNode[];
}

const maxDepth = 24;
const constructedBit = 0x20;

/** The one element that fills `bytes`, or undefined where they are not DER (X.690 10, 11.1). */
export function readDerNode(bytes: Uint8Array): DerNode | undefined {
  const node = readElement(bytes, 0, 0);
  return node?.der.length === bytes.length ? node : undefined;
}

function readElement(bytes: Uint8Array, start: number, depth: number): DerNode | undefined {
  const tag = bytes[start];
  const first = bytes[start + 1];
  // High tag numbers stand in no certificate; 0x80 is the indefinite length of BER.
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f || depth > maxDepth) {
    return undefined;
  }
  let length = first;
  let contentStart = start + 2;
  if (first >= 0x80) {
    const octets = first & 0x7f;
    if (octets === 0 || octets > 4 || contentStart + octets > bytes.length) return undefined;
    length = 0;
    for (const octet of bytes.subarray(contentStart, contentStart + octets)) {
      length = length * 256 + octet;
    }
    contentStart += octets;
    const isMinimal = length >= 0x80 && (octets === 1 || length >= 256 ** (octets - 1));
    if (!isMinimal) return undefined;
  }
  const end = contentStart + length;
  if (end > bytes.length) return undefined;
  const content = bytes.subarray(contentStart, end);
  const children = (tag & constructedBit) === 0 ? [] : readChildren(content, depth + 1);
  if (children === undefined || !isCanonicalPrimitive(tag, content)) return undefined;
  return { tag, content, der: bytes.subarray(start, end), children };
}

function readChildren(content: Uint8Array, depth: number): readonly DerNode[] | undefined {
  const children: DerNode[] = [];
  for (let position = 0; position < content.length;) {
    const child = readElement(content, position, depth);
    if (child === undefined) return undefined;
    children.push(child);
    position += child.der.length;
  }
  return children;
}

/** X.690 8.3.2, 11.1, 8.8: minimal INTEGERs, BOOLEANs of 00 or FF, an empty NULL. */
function isCanonicalPrimitive(tag: number, content: Uint8Array): boolean {
  const [first = -1, second = -1] = content;
  switch (tag) {
    case tags.boolean:
      return content.length === 1 && (first === 0 || first === 0xff);
    case tags.integer:
      if (content.length < 2) return content.length === 1;
      return !(first === 0 && second < 0x80) && !(first === 0xff && second >= 0x80);
    case tags.null:
      return content.length === 0;
    case tags.bitString:
      return isCanonicalBitString(content);
    case tags.objectIdentifier:
      return content.length > 0 && ((content.at(-1) ?? 0x80) & 0x80) === 0;
    default:
      return true;
  }
}

/** X.690 8.6.2, 11.2.1: at most 7 unused bits, and they are zero. */
function isCanonicalBitString(content: Uint8Array): boolean {
  const [unused = 8] = content;
  const last = content.at(-1) ?? 0;
  if (unused > 7 || (content.length === 1 && unused > 0)) return false;
  return content.length === 1 || (last & ((1 << unused) - 1)) === 0;
}

/** The dotted form of an OBJECT IDENTIFIER; undefined for any other element. */
export function oidOf(node: DerNode | undefined): string | undefined {
  return node?.tag === tags.objectIdentifier
    ? decodeOid(node.content, 0, node.content.length)
    : undefined;
}

/** Content octets as text, one character per octet. */
export function latin1(node: DerNode): string {
  return Buffer.from(node.content).toString('latin1');
}
