const COLUMNS = 64;

/** Textual encoding of RFC 7468 2, generator form: 64 columns, LF, ends with a newline. */
export function pemEncode(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64');
  let pem = `-----BEGIN ${label}-----\n`;
  for (let start = 0; start < base64.length; start += COLUMNS) {
    pem += `${base64.slice(start, start + COLUMNS)}\n`;
  }
  return `${pem}-----END ${label}-----\n`;
}
