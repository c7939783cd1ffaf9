import type { View } from '@certmill/trust';

/** A view as indented lines: `name: value`, nested ones below their name, lists with dashes. */
export function viewLines(
  view: { readonly [field: string]: View | undefined },
  indent = '',
): string[] {
  return Object.entries(view).flatMap(([name, value]) =>
    value === undefined ? [] : fieldLines(name, value, indent),
  );
}

function fieldLines(name: string, value: View, indent: string): string[] {
  if (isList(value)) {
    if (value.length === 0) return [];
    if (value.every(isPlain)) return [`${indent}${name}: ${value.join(', ')}`];
    return [`${indent}${name}:`, ...value.flatMap((entry) => entryLines(entry, `${indent}  `))];
  }
  if (isPlain(value)) return [`${indent}${name}: ${String(value)}`];
  return [`${indent}${name}:`, ...viewLines(value, `${indent}  `)];
}

function entryLines(entry: View, indent: string): string[] {
  if (isPlain(entry)) return [`${indent}- ${String(entry)}`];
  if (isExtension(entry)) {
    const name = `- ${entry.name}${entry.critical ? ' (critical)' : ''}`;
    const [first = '', ...rest] = fieldLines(name, entry.value, indent);
    return [first, ...rest.map((line) => `  ${line}`)];
  }
  const lines = isList(entry)
    ? entry.flatMap((inner) => entryLines(inner, indent))
    : viewLines(entry, `${indent}  `);
  const [first = '', ...rest] = lines;
  return [`${indent}- ${first.trimStart()}`, ...rest];
}

/** Extensions are many and small: one line each where their value is plain. */
function isExtension(
  entry: View,
): entry is { readonly name: string; readonly critical: boolean; readonly value: View } {
  return !isPlain(entry) && !isList(entry) && 'critical' in entry && 'value' in entry;
}

function isPlain(value: View): value is string | number | boolean {
  return typeof value !== 'object';
}

function isList(value: View): value is readonly View[] {
  return Array.isArray(value);
}
