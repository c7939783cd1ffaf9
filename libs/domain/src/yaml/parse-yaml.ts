import {
  type Document,
  isMap,
  isNode,
  isScalar,
  Lexer,
  LineCounter,
  parseDocument,
  visit,
  type YAMLError,
} from 'yaml';
import type { z } from 'zod';
import { CertmillError, type FaultCode } from '../faults.js';

/** A file that people write: what it has to be, and how its faults are told. */
export interface YamlForm<T> {
  /** Stands in the messages only. */
  readonly fileName: string;
  /** What the file is, such as `profile`. */
  readonly kind: string;
  /** Of the error for whatever is wrong with it. */
  readonly code: FaultCode;
  /** Above any sensible file, below what a YAML parser takes long for. */
  readonly maxCharacters: number;
  /** Its lines, keys, values and signs: what a parser takes long for where others than operators send such files. */
  readonly maxTokens?: number;
  readonly schema: z.ZodType<T>;
  /** What no single key shows. */
  contradictionsOf?(file: T): readonly Contradiction[];
}

export interface Contradiction {
  readonly path: readonly (string | number)[];
  readonly reason: string;
}

type Named = Pick<YamlForm<unknown>, 'code' | 'fileName'>;

interface Problem {
  readonly line: number;
  readonly reason: string;
}

/** Whoever has more of them has sent another file. */
const maxProblems = 100;

/**
 * Reads a YAML text as its schema has it; unknown keys, keys that are no text and aliases are refused.
 * Throws the form's code with one `file:line: reason` per problem, in the order of their lines, the first hundred of them.
 */
export function parseYaml<T>(text: string, form: YamlForm<T>): T {
  const { kind, maxCharacters, maxTokens } = form;
  if (text.length > maxCharacters) {
    throw invalid(form, [
      { line: 1, reason: `a ${kind} has at most ${String(maxCharacters)} characters` },
    ]);
  }
  if (maxTokens !== undefined && hasMoreTokens(text, maxTokens)) {
    const reason = `a ${kind} has at most ${String(maxTokens)} lines, keys, values and signs`;
    throw invalid(form, [{ line: 1, reason }]);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    // These take time quadratic in the file, and keys that are no text more than that: 800 characters of `? ` took 8 s.
    prettyErrors: false,
    uniqueKeys: false,
    stringKeys: true,
  });
  const syntaxProblems = [
    ...[...document.errors, ...document.warnings].map((error) => problemOfSyntax(error, lines)),
    ...repeatedKeys(document, lines),
  ];
  if (syntaxProblems.length > 0) throw invalid(form, syntaxProblems);

  const parsed = form.schema.safeParse(plainValue(document, form));
  if (!parsed.success) {
    throw invalid(
      form,
      parsed.error.issues.flatMap((issue) => problemsOfIssue(issue, document, lines, kind)),
    );
  }
  const contradictions = (form.contradictionsOf?.(parsed.data) ?? []).map(({ path, reason }) => ({
    line: lineOf(document, lines, path),
    reason: `${pathText(path, kind)}: ${reason}`,
  }));
  if (contradictions.length > 0) throw invalid(form, contradictions);
  return parsed.data;
}

function plainValue(document: Document, { code, fileName }: Named): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    throw new CertmillError(code, `${fileName}:1: aliases (*name) are not supported`, {
      cause,
    });
  }
}

function invalid({ code, fileName }: Named, problems: readonly Problem[]): CertmillError {
  const told = [...problems]
    .sort((left, right) => left.line - right.line)
    .map(({ line, reason }) => `${fileName}:${String(line)}: ${reason}`);
  const unlike = [...new Set(told)];
  const more = unlike.length > maxProblems ? ['and more'] : [];
  return new CertmillError(code, [...unlike.slice(0, maxProblems), ...more].join('\n'));
}

function hasMoreTokens(text: string, most: number): boolean {
  let count = 0;
  for (const token of new Lexer().lex(text)) {
    // Not space, nor the library's own marks.
    if (token >= '!' || token.endsWith('\n')) count += 1;
    if (count > most) return true;
  }
  return false;
}

function problemOfSyntax({ code, message, pos }: YAMLError, lines: LineCounter): Problem {
  return { line: lines.linePos(pos[0]).line, reason: reasonsByCode[code] ?? message };
}

/** Where the library's own words are of its inside. */
const reasonsByCode: Partial<Record<YAMLError['code'], string>> = {
  RESOURCE_EXHAUSTION: 'it nests too deeply',
  NON_STRING_KEY: 'keys must be texts',
};

/** The library's own check compares each key with all before. */
function repeatedKeys(document: Document, lines: LineCounter): readonly Problem[] {
  const found: Problem[] = [];
  visit(document, {
    Map(_, { items }) {
      const keys = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        if (keys.has(key.value)) {
          const line = lines.linePos(key.range?.[0] ?? 0).line;
          found.push({ line, reason: 'Map keys must be unique' });
        }
        keys.add(key.value);
      }
    },
  });
  return found;
}

function problemsOfIssue(
  issue: z.core.$ZodIssue,
  document: Document,
  lines: LineCounter,
  kind: string,
): Problem[] {
  const path = issue.path.filter((part) => typeof part !== 'symbol');
  if (issue.code === 'unrecognized_keys') {
    // One more than are told.
    return issue.keys.slice(0, maxProblems + 1).map((key) => ({
      line: lineOf(document, lines, [...path, key]),
      reason: `${pathText(path, kind)}: unknown key '${key}'`,
    }));
  }
  const isMissing = issue.code === 'invalid_type' && document.getIn(path) === undefined;
  const reason = isMissing ? `missing, ${expectation(issue.message)}` : issue.message;
  return [{ line: lineOf(document, lines, path), reason: `${pathText(path, kind)}: ${reason}` }];
}

function expectation(message: string): string {
  return /expected [^,]+/.exec(message)?.[0] ?? message;
}

function pathText(path: readonly PropertyKey[], kind: string): string {
  return path.length === 0 ? kind : path.map(String).join('.');
}

/** The line of the key where there is one, else of the nearest thing around it that is there. */
function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  for (let length = path.length; length >= 0; length -= 1) {
    const parent: unknown = document.getIn(path.slice(0, Math.max(0, length - 1)), true);
    const last = path[length - 1];
    if (length > 0 && isMap(parent)) {
      const pair = parent.items.find((item) => isScalar(item.key) && item.key.value === last);
      if (pair !== undefined && isNode(pair.key) && pair.key.range) {
        return lines.linePos(pair.key.range[0]).line;
      }
    }
    const node: unknown = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}
