import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { CertmillError } from '@certmill/domain';

/**
 * Reads a YAML or JSON file; CONFIG_INVALID names each line that is wrong. Without a file: the
 * defaults.
 */
export function readConfig<T>(schema: z.ZodType<T>, file: string | undefined): T {
  if (file === undefined) return schema.parse({});
  const source = readSource(file);
  const [broken] = source.document.errors;
  if (broken !== undefined) throw new CertmillError('CONFIG_INVALID', `${file}: ${broken.message}`);
  const parsed = schema.safeParse(source.document.toJS() ?? {});
  if (parsed.success) return parsed.data;
  const reasons = parsed.error.issues.map((issue) => {
    const path =
      issue.code === 'unrecognized_keys' ? [...issue.path, ...issue.keys.slice(0, 1)] : issue.path;
    return `${placeIn(source, path)}: ${path.map(String).join('.')}: ${issue.message}`;
  });
  throw new CertmillError('CONFIG_INVALID', reasons.join('\n'));
}

/** `FILE:LINE` of a field, or of what it is missing in. */
export function placeInConfig(file: string, path: readonly PropertyKey[]): string {
  return placeIn(readSource(file), path);
}

interface Source {
  readonly file: string;
  readonly document: ReturnType<typeof parseDocument>;
  readonly lines: LineCounter;
}

function readSource(file: string): Source {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CertmillError('CONFIG_INVALID', `cannot read ${file}`, { cause });
  }
  const lines = new LineCounter();
  return { file, document: parseDocument(text, { lineCounter: lines }), lines };
}

function placeIn({ file, document, lines }: Source, path: readonly PropertyKey[]): string {
  // What is missing has no line of its own: that of what it is missing in.
  let at = path;
  while (at.length > 0 && !isRanged(document.getIn(at, true))) at = at.slice(0, -1);
  const node: unknown = document.getIn(at, true);
  const range = isRanged(node) ? node.range[0] : undefined;
  return range === undefined ? file : `${file}:${String(lines.linePos(range).line)}`;
}

function isRanged(node: unknown): node is { readonly range: readonly [number, number, number] } {
  return typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range);
}
