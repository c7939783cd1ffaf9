import { CertmillError } from '@certmill/domain';

/** A block of textual encoding (RFC 7468), decoded. */
export interface PemBlock {
  readonly label: string;
  readonly der: Uint8Array;
}

const begin = Buffer.from('-----BEGIN ');
const end = Buffer.from('-----END ');
const dashes = Buffer.from('-----');
const maxLabelOctets = 64;
/** Space, tab and the octets of a byte order mark. */
const blanks: ReadonlySet<number> = new Set([0x20, 0x09, 0xef, 0xbb, 0xbf]);

/**
 * The PEM blocks of a text in their order; text between them and headers (RFC 1421) are passed over. Empty where
 * there is none, so that the bytes may be DER. The text is looked through twice, however many blocks begin in it.
 * INVALID_INPUT with the line of a block that has no end before another begins: the file was cut off.
 */
export function pemBlocksOf(bytes: Uint8Array): readonly PemBlock[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const blocks: PemBlock[] = [];
  let ends: BlockEnds | undefined;
  let behind = 0;
  const marks = [...marksOf(text, begin)];
  for (const [index, { label, at, labelEnd }] of marks.entries()) {
    if (at < behind) continue;
    ends ??= new BlockEnds(text);
    const bodyStart = labelEnd + dashes.length;
    const bodyEnd = ends.next(label, bodyStart);
    const next = marks[index + 1];
    const isCut = bodyEnd === undefined || (next !== undefined && next.at < bodyEnd);
    if (isCut && isLineStart(text, at)) throw cutOff(text, at, label);
    if (isCut) continue;
    blocks.push({ label, der: decoded(text.toString('latin1', bodyStart, bodyEnd)) });
    behind = bodyEnd;
  }
  return blocks;
}

/** Blanks may stand before it. Of text within a line nobody can say that it was to begin a block. */
function isLineStart(text: Buffer, at: number): boolean {
  let before = at - 1;
  while (blanks.has(text[before] ?? 0)) before -= 1;
  return before < 0 || text[before] === 0x0a || text[before] === 0x0d;
}

function cutOff(text: Buffer, at: number, label: string): CertmillError {
  const line = text.toString('latin1', 0, at).split('\n').length;
  const what = /^[A-Z0-9 ]+$/.test(label) ? label : 'block';
  return new CertmillError(
    'INVALID_INPUT',
    `the ${what} that begins in line ${String(line)} has no end: the file was cut off, or is damaged`,
  );
}

interface Mark {
  readonly label: string;
  readonly at: number;
  readonly labelEnd: number;
}

/** All encapsulation boundaries of one kind, in their order. */
function* marksOf(text: Buffer, kind: Buffer): Generator<Mark> {
  for (let at = text.indexOf(kind); at >= 0; at = text.indexOf(kind, at + kind.length)) {
    const labelStart = at + kind.length;
    const labelEnd = text.indexOf(dashes, labelStart);
    if (labelEnd < 0) return;
    if (labelEnd - labelStart > maxLabelOctets) continue;
    yield { label: text.toString('latin1', labelStart, labelEnd), at, labelEnd };
  }
}

/** Where blocks end. Asked for places that only grow. */
class BlockEnds {
  /** Of each label, in their order, and how many lie before the last place that was asked for. */
  readonly #ends = new Map<string, { readonly places: number[]; passed: number }>();

  constructor(text: Buffer) {
    for (const { label, at } of marksOf(text, end)) {
      const known = this.#ends.get(label);
      if (known === undefined) this.#ends.set(label, { places: [at], passed: 0 });
      else known.places.push(at);
    }
  }

  /** The first end of the label at `from` or behind it. */
  next(label: string, from: number): number | undefined {
    const ends = this.#ends.get(label);
    if (ends === undefined) return undefined;
    for (; ends.passed < ends.places.length; ends.passed += 1) {
      const place = ends.places[ends.passed] ?? 0;
      if (place >= from) return place;
    }
    return undefined;
  }
}

function decoded(body: string): Uint8Array {
  const withoutHeaders = body.includes(':') ? body.slice(body.search(/\r?\n\r?\n/)) : body;
  return Buffer.from(withoutHeaders, 'base64');
}
