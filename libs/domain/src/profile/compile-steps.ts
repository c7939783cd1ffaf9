/** A table of Unicode such as \p{L} has about so many ranges, and what differs in case has as many. */
const rangesOfTable = 640;
/** So many ranges are read in one step, and so many characters given their other cases. */
const rangesPerStep = 8;
const foldedPerStep = 32;
/** So many ranges of each copy of a class are looked at in one step, when a value is first matched. */
const copiedRangesPerStep = 64;
/** RE2 refuses more. */
const maxCopies = 1_000;
/** Whatever differs in case lies between, both included. */
const firstFolded = 0x41;
const lastFolded = 0x1e943;

const character = String.raw`\\x\{[^}]*\}|\\x..|\\[0-7]{1,3}|\\[^]|[^]`;
const tableOfUnicode = String.raw`(?<table>\\[pP](?:\{[^}]*\}|[^]))`;
const flags = /\(\?[A-Za-z-]*\)/uy;
const part = new RegExp(
  String.raw`\\Q(?<quoted>[^]*?)(?:\\E|$)|${tableOfUnicode}|(?<opening>\((?:\?P?<[^>]*>|\?[A-Za-z-]*:)?)` +
    String.raw`|\{(?<least>[0-9]+)(?<isRange>,(?<most>[0-9]*))?\}|${character}`,
  'uy',
);
const member = new RegExp(
  String.raw`${tableOfUnicode}|(?<group>\[:[^]*?:\]|\\[dDsSwW])` +
    String.raw`|(?<from>${character})(?:-(?!\])(?<to>${character}))?`,
  'uy',
);

/**
 * The most steps that it takes to compile a pattern of RE2, told from its text alone: `(?:\pL{1000}){10}` is short, and
 * compiling it is not. A step is an instruction of the program, or what takes as long: about a microsecond. Of a text
 * that is no pattern, the most that it takes to find that out.
 */
export function compileSteps(source: string): number {
  return new PatternText(source).steps();
}

class PatternText {
  readonly #source: string;
  readonly #ignoresCase: boolean;
  #position = 0;
  /** For what is read once, whatever copies are made of it. */
  #read: number;
  /** The groups that are open, the innermost last: what their last part makes, and all before it. */
  readonly #outer: Steps[] = [];
  #group: Steps = { before: 2, last: 0 };

  constructor(source: string) {
    this.#source = source;
    this.#read = source.length;
    this.#ignoresCase = /\(\?[A-Za-z-]*i/.test(source);
  }

  steps(): number {
    while (this.#position < this.#source.length) this.#readPart();
    while (this.#outer.length > 0) this.#closeGroup();
    return Math.ceil(this.#read + this.#group.before + this.#group.last);
  }

  #readPart(): void {
    // Flags are no part: what repeats them repeats the part before.
    if (this.#next(flags) !== undefined) return;
    const match = this.#next(part);
    const text = match?.[0] ?? '';
    const { quoted, table, opening, least, isRange, most } = match?.groups ?? {};
    if (quoted !== undefined) for (const { length } of quoted) this.#add(length);
    else if (table !== undefined) this.#addClass(this.#rangesOfTable());
    else if (opening !== undefined) this.#openGroup();
    else if (least !== undefined)
      this.#repeat(Number(most === '' ? least : (most ?? least)), isRange !== undefined);
    else if (text === '*' || text === '+' || text === '?') this.#repeat(1, true);
    else if (text === ')') this.#closeGroup();
    else if (text === '[') this.#readClass();
    else this.#add(text === '|' ? 2 : 1);
  }

  #readClass(): void {
    if (this.#source[this.#position] === '^') this.#position += 1;
    let ranges = 0;
    for (let isFirst = true; this.#isInClass(isFirst); isFirst = false) {
      const { table, from, to } = this.#next(member)?.groups ?? {};
      if (table !== undefined) ranges += this.#rangesOfTable();
      else if (from === undefined) ranges += 8;
      else ranges += this.#rangesFrom(from, to ?? from);
    }
    this.#position += 1;
    this.#addClass(ranges);
  }

  /** A bracket that stands first is a member. */
  #isInClass(isFirst: boolean): boolean {
    const next = this.#source[this.#position];
    return next !== undefined && (isFirst || next !== ']');
  }

  #rangesOfTable(): number {
    if (this.#ignoresCase) this.#read += rangesOfTable / rangesPerStep;
    return rangesOfTable;
  }

  #rangesFrom(from: string, to: string): number {
    if (!this.#ignoresCase) return 1;
    const points = Math.min(codePointOf(to), lastFolded) - Math.max(codePointOf(from), firstFolded);
    const folded = Math.max(0, points + 1);
    this.#read += folded / foldedPerStep;
    return 1 + Math.min(folded, rangesOfTable);
  }

  #addClass(ranges: number): void {
    this.#read += ranges / rangesPerStep;
    this.#add(1 + ranges / copiedRangesPerStep);
  }

  #add(steps: number): void {
    this.#group = { before: this.#group.before + this.#group.last, last: steps };
  }

  #repeat(times: number, withAlternatives: boolean): void {
    const copies = Math.min(Math.max(times, 1), maxCopies);
    this.#group.last = (this.#group.last + (withAlternatives ? 2 : 0)) * copies;
  }

  #openGroup(): void {
    this.#outer.push(this.#group);
    this.#group = { before: 3, last: 0 };
  }

  #closeGroup(): void {
    const { before, last } = this.#group;
    this.#group = this.#outer.pop() ?? { before: 0, last: 0 };
    this.#add(before + last);
  }

  #next(expression: RegExp): RegExpExecArray | undefined {
    expression.lastIndex = this.#position;
    const match = expression.exec(this.#source);
    if (match === null) return undefined;
    this.#position = expression.lastIndex;
    return match;
  }
}

interface Steps {
  readonly before: number;
  last: number;
}

/** Of a character as it is written. */
function codePointOf(text: string): number {
  const [, hex] = /^\\x\{?([0-9A-Fa-f]+)\}?$/.exec(text) ?? [];
  if (hex !== undefined) return parseInt(hex, 16);
  const [, octal] = /^\\([0-7]+)$/.exec(text) ?? [];
  if (octal !== undefined) return parseInt(octal, 8);
  return text.replace(/^\\(?=.)/su, '').codePointAt(0) ?? 0;
}
