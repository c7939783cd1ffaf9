/** Details are for people: one sentence, and short enough for a table and for the verdict. */
export const maxDetailLength = 300;

/** Longer values are cut: the start is enough to find them in the upload. */
const maxQuotedLength = 64;

// C0, DEL and C1 controls, line and paragraph separators, and the marks that reorder text: a value
// of a request must not be able to forge lines of a log or of a terminal.
const unsafe =
  /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

/** Free text made safe to show: unsafe characters and lone surrogates replaced, length bounded. */
export function safeText(text: string, maxLength: number): string {
  const safe = text.toWellFormed().replace(unsafe, '\ufffd');
  if (safe.length <= maxLength) return safe;
  // Not in the middle of a surrogate pair.
  return `${safe.slice(0, maxLength - 3).replace(/[\ud800-\udbff]$/, '')}...`;
}

/** A value of the request in quotes, safe to show. */
export function quoted(value: string): string {
  return `'${safeText(value, maxQuotedLength)}'`;
}
