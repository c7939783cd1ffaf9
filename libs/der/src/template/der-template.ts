import { BackwardWriter } from '../encoding/backward-writer.js';
import { compareDer, concatBytes, encodeSetOf, encodeTlv } from '../encoding/der-encode.js';
import { CertmillDerError } from '../encoding/der-error.js';
import { isPrintable } from '../encoding/der-string.js';
import { KEY_IDENTIFIER_OCTETS, keyDigestLatin1 } from './key-identifier.js';
import { SlotValues } from './slot-values.js';
import { tags } from '../encoding/tags.js';
import type { SkiMethod, TemplateNode } from './template-node.js';

/** A compiled node: writes itself before what has been written so far. */
interface Piece {
  write(writer: BackwardWriter, values: SlotValues): void;
}

// One writer for all templates: a write is synchronous and runs to its end or throws.
const sharedWriter = new BackwardWriter();

/** A document with holes, compiled once and written any number of times. Immutable. */
export class DerTemplate {
  /** Slot names; the index of a name is its slot's index in SlotValues. */
  readonly slotNames: readonly string[];
  private readonly root: Piece;

  constructor(node: TemplateNode) {
    const compiler = new TemplateCompiler();
    this.root = compiler.compile(node);
    this.slotNames = compiler.slotNames;
  }

  /** The index for SlotValues; throws `slot-unknown` for a name that the template has not. */
  slotIndex(name: string): number {
    const index = this.slotNames.indexOf(name);
    if (index < 0) throw new CertmillDerError('slot-unknown', `the template has no slot ${name}`);
    return index;
  }

  hasSlot(name: string): boolean {
    return this.slotNames.includes(name);
  }

  createValues(): SlotValues {
    return new SlotValues(this.slotNames.length);
  }

  /**
   * Writes the document into `out` so that it ends before `end`, and returns where it starts.
   * Throws CertmillDerError when a mandatory slot has no value, a value cannot be in its place, or
   * the document would start below `limit`; `out` then holds half a document below `end`.
   */
  write(out: Uint8Array, end: number, values: SlotValues, limit = 0): number {
    sharedWriter.reset(out, end, limit);
    try {
      this.root.write(sharedWriter, values);
      return sharedWriter.position;
    } finally {
      sharedWriter.release();
    }
  }
}

export function compileTemplate(node: TemplateNode): DerTemplate {
  return new DerTemplate(node);
}

class TemplateCompiler {
  readonly slotNames: string[] = [];

  compile(node: TemplateNode): Piece {
    switch (node.kind) {
      case 'fixed':
        return new FixedPiece(node.der);
      case 'constructed':
        return this.compileConstructed(node.tag, node.children);
      case 'set-of':
        return this.compileSetOf(node.children);
      case 'slot':
        return new SlotPiece(this.indexOf(node.slot), node.slot, node.tag);
      case 'raw-slot':
        return new RawSlotPiece(this.indexOf(node.slot), node.slot);
      case 'optional':
        return new OptionalPiece(this.indexOf(node.slot), this.compile(node.child));
      case 'time':
        return new TimePiece(this.indexOf(node.slot), node.slot);
      case 'integer':
        return new IntegerPiece(this.indexOf(node.slot), node.slot, node.maxOctets);
      case 'ski':
        return new KeyIdentifierPiece(this.indexOf(node.spkiSlot), node.spkiSlot, node.method);
    }
  }

  private compileConstructed(tag: number, children: readonly TemplateNode[]): Piece {
    const folded = foldConstants(children.map((child) => this.compile(child)));
    const [only] = folded;
    if (only === undefined) return new FixedPiece(encodeTlv(tag));
    if (folded.length === 1 && only instanceof FixedPiece) {
      return new FixedPiece(encodeTlv(tag, only.der));
    }
    return new ConstructedPiece(tag, folded.reverse());
  }

  private compileSetOf(children: readonly TemplateNode[]): Piece {
    const pieces = children.map((child) => this.compile(child));
    const constants = pieces.filter((piece) => piece instanceof FixedPiece);
    if (constants.length === pieces.length) {
      return new FixedPiece(encodeSetOf(...constants.map((piece) => piece.der)));
    }
    return pieces.length === 1 ? new ConstructedPiece(tags.set, pieces) : new SetOfPiece(pieces);
  }

  private indexOf(slotName: string): number {
    const index = this.slotNames.indexOf(slotName);
    return index >= 0 ? index : this.slotNames.push(slotName) - 1;
  }
}

/** Joins neighbouring constants into one run. */
function foldConstants(pieces: readonly Piece[]): Piece[] {
  const folded: Piece[] = [];
  for (const piece of pieces) {
    const last = folded.at(-1);
    if (piece instanceof FixedPiece && last instanceof FixedPiece) {
      folded[folded.length - 1] = new FixedPiece(concatBytes([last.der, piece.der]));
    } else {
      folded.push(piece);
    }
  }
  return folded;
}

function missing(slotName: string): CertmillDerError {
  return new CertmillDerError('slot-missing', `slot ${slotName} has no value of its kind`);
}

class FixedPiece implements Piece {
  readonly der: Uint8Array;

  constructor(der: Uint8Array) {
    this.der = der;
  }

  write(writer: BackwardWriter): void {
    writer.bytes(this.der, 0, this.der.length);
  }
}

class ConstructedPiece implements Piece {
  private readonly tag: number;
  /** Last child first. */
  private readonly children: readonly Piece[];

  constructor(tag: number, children: readonly Piece[]) {
    this.tag = tag;
    this.children = children;
  }

  write(writer: BackwardWriter, values: SlotValues): void {
    const contentEnd = writer.position;
    for (const child of this.children) child.write(writer, values);
    writer.header(this.tag, contentEnd);
  }
}

class SetOfPiece implements Piece {
  private readonly children: readonly Piece[];

  constructor(children: readonly Piece[]) {
    this.children = children;
  }

  write(writer: BackwardWriter, values: SlotValues): void {
    const contentEnd = writer.position;
    const elements: Uint8Array[] = [];
    for (const child of this.children) {
      const elementEnd = writer.position;
      child.write(writer, values);
      elements.push(writer.out.slice(writer.position, elementEnd));
    }
    elements.sort(compareDer);
    writer.out.set(concatBytes(elements), writer.position);
    writer.header(tags.set, contentEnd);
  }
}

class SlotPiece implements Piece {
  private readonly index: number;
  private readonly name: string;
  private readonly tag: number;

  constructor(index: number, name: string, tag: number) {
    this.index = index;
    this.name = name;
    this.tag = tag;
  }

  write(writer: BackwardWriter, values: SlotValues): void {
    const contentEnd = writer.position;
    if (values.isBytes(this.index)) {
      writer.bytes(values.source(this.index), values.start(this.index), values.end(this.index));
    } else if (values.isText(this.index)) {
      this.writeText(writer, values.text(this.index));
    } else {
      throw missing(this.name);
    }
    writer.header(this.tag, contentEnd);
  }

  private writeText(writer: BackwardWriter, text: string): void {
    const isAscii = writer.text(text);
    const isAllowed =
      this.tag === tags.utf8String || this.tag === tags.octetString
        ? isAscii || text.isWellFormed()
        : isAscii && (this.tag !== tags.printableString || isPrintable(text));
    if (!isAllowed) {
      throw new CertmillDerError(
        'slot-value-invalid',
        `slot ${this.name} has characters that its string type does not allow`,
      );
    }
  }
}

class RawSlotPiece implements Piece {
  private readonly index: number;
  private readonly name: string;

  constructor(index: number, name: string) {
    this.index = index;
    this.name = name;
  }

  write(writer: BackwardWriter, values: SlotValues): void {
    if (!values.isBytes(this.index)) throw missing(this.name);
    writer.bytes(values.source(this.index), values.start(this.index), values.end(this.index));
  }
}

class OptionalPiece implements Piece {
  private readonly index: number;
  private readonly child: Piece;

  constructor(index: number, child: Piece) {
    this.index = index;
    this.child = child;
  }

  write(writer: BackwardWriter, values: SlotValues): void {
    if (values.isPresent(this.index)) this.child.write(writer, values);
  }
}

class TimePiece implements Piece {
  private readonly index: number;
  private readonly name: string;

  constructor(index: number, name: string) {
    this.index = index;
    this.name = name;
  }

  write(writer: BackwardWriter, values: SlotValues): void {
    if (!values.isSeconds(this.index)) throw missing(this.name);
    writer.time(values.seconds(this.index));
  }
}

class IntegerPiece implements Piece {
  private readonly index: number;
  private readonly name: string;
  private readonly maxOctets: number;

  constructor(index: number, name: string, maxOctets: number) {
    this.index = index;
    this.name = name;
    this.maxOctets = maxOctets;
  }

  write(writer: BackwardWriter, values: SlotValues): void {
    if (!values.isBytes(this.index)) throw missing(this.name);
    writer.positiveInteger(
      values.source(this.index),
      values.start(this.index),
      values.end(this.index),
      this.maxOctets,
    );
  }
}

class KeyIdentifierPiece implements Piece {
  private readonly index: number;
  private readonly name: string;
  private readonly method: SkiMethod;

  constructor(index: number, name: string, method: SkiMethod) {
    this.index = index;
    this.name = name;
    this.method = method;
  }

  write(writer: BackwardWriter, values: SlotValues): void {
    if (!values.isBytes(this.index)) throw missing(this.name);
    const contentEnd = writer.position;
    const digest = keyDigestLatin1(
      this.method,
      values.source(this.index),
      values.start(this.index),
      values.end(this.index),
    );
    writer.latin1(digest, KEY_IDENTIFIER_OCTETS);
    writer.header(tags.octetString, contentEnd);
  }
}
