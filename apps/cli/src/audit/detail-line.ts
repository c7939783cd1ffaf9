import type { AuditEntry } from '@certmill/domain';

const inJson = 'see --json';

/** The detail of an entry as one line for people; lists of results are counted, `--json` has them whole. */
export function detailLine(detail: AuditEntry['detail']): string {
  return Object.entries(detail)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? shown(value) : String(value)}`)
    .join(' ');
}

/** `recordCommand` notes what is no text as JSON, and cuts what is long. */
function shown(text: string): string {
  if (!/^[[{]/.test(text)) return text;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return `(${inJson})`;
  }
  if (!Array.isArray(value)) return `(${inJson})`;
  if (value.length === 0) return 'none';
  return value.every((each) => typeof each !== 'object')
    ? value.map(String).join(',')
    : `${String(value.length)} (${inJson})`;
}
