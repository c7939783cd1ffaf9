/** A block of textual encoding (RFC 7468), decoded. */
export interface PemBlock {
  readonly label: string;
  readonly der: Uint8Array;
}

const begin = Buffer.from('-----BEGIN ');
const dashes = Buffer.from('-----');
const maxLabelOctets = 64;

/**
 * The PEM blocks of a text in their order; text between them, headers (RFC 1421) and a block without an
 * end are passed over. Empty where there is none, so that the bytes may be DER.
 */
export function pemBlocksOf(bytes: Uint8Array): readonly PemBlock[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const blocks: PemBlock[] = [];
  for (let at = text.indexOf(begin); at >= 0; at = text.indexOf(begin, at)) {
    const labelStart = at + begin.length;
    const labelEnd = text.indexOf(dashes, labelStart);
    at = labelStart;
    if (labelEnd < 0) break;
    if (labelEnd - labelStart > maxLabelOctets) continue;
    const label = text.toString('latin1', labelStart, labelEnd);
    const bodyStart = labelEnd + dashes.length;
    const bodyEnd = text.indexOf(`-----END ${label}-----`, bodyStart, 'latin1');
    if (bodyEnd < 0) continue;
    blocks.push({ label, der: decoded(text.toString('latin1', bodyStart, bodyEnd)) });
    at = bodyEnd;
  }
  return blocks;
}

function decoded(body: string): Uint8Array {
  const withoutHeaders = body.includes(':') ? body.slice(body.search(/\r?\n\r?\n/)) : body;
  return Buffer.from(withoutHeaders, 'base64');
}
