/** Text that everything which matches a pattern begins and ends with; empty where it is not certain. */
export interface LiteralEnds {
  readonly prefix: string;
  readonly suffix: string;
}

const none: LiteralEnds = { prefix: '', suffix: '' };

/**
 * Reads a RegExp source only as far as it is plain text: groups, classes and anything that may repeat or
 * be left out count as unknown text; alternatives outside a group, as nothing certain at all.
 */
export function literalEndsOf(source: string): LiteralEnds {
  let prefix: string | undefined;
  let run = '';
  const breakRun = (certain: string): void => {
    prefix ??= certain;
    run = '';
  };
  for (let at = 0; at < source.length; at += 1) {
    const character = source[at] ?? '';
    switch (character) {
      case '|':
        return none;
      case '(':
      case '[':
        at = closingOf(source, at);
        breakRun(run);
        break;
      case '*':
      case '+':
      case '?':
      case '{':
        if (character === '{') at = Math.max(at, source.indexOf('}', at));
        breakRun(run.slice(0, -1));
        break;
      case '.':
        breakRun(run);
        break;
      case '^':
      case '$':
        break;
      case '\\': {
        at += 1;
        const escaped = source[at] ?? '';
        // Some take the text behind them along: code points, properties, references.
        if (/[0-9xucpPk]/.test(escaped)) return none;
        if (/[A-Za-z]/.test(escaped)) breakRun(run);
        else run += escaped;
        break;
      }
      default:
        run += character;
    }
  }
  return { prefix: prefix ?? run, suffix: run };
}

/** Where the group or class that opens at `start` ends. */
function closingOf(source: string, start: number): number {
  const isClass = source[start] === '[';
  let depth = 0;
  for (let at = start; at < source.length; at += 1) {
    const character = source[at];
    if (character === '\\') at += 1;
    else if (isClass) {
      if (character === ']') return at;
    } else if (character === '[') at = closingOf(source, at);
    else if (character === '(') depth += 1;
    else if (character === ')') {
      depth -= 1;
      if (depth === 0) return at;
    }
  }
  return source.length;
}
