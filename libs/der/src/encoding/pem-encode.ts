const lineCharacters = 64;
const lineOctets = 48;
const lineFeed = 0x0a;
const padding = 0x3d;

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
/** The two characters of every 12 bits: half the look-ups of one per sextet. */
const firstOfPair = new Uint8Array(4096);
const secondOfPair = new Uint8Array(4096);
for (let bits = 0; bits < 4096; bits++) {
  firstOfPair[bits] = alphabet.charCodeAt(bits >> 6);
  secondOfPair[bits] = alphabet.charCodeAt(bits & 63);
}

/** Textual encoding of RFC 7468 2, generator form: 64 columns, LF, ends with a newline. */
export function pemEncode(label: string, der: Uint8Array): string {
  const pem = Buffer.allocUnsafe(pemLength(label, der.length));
  writePem(label, der, pem, 0);
  return pem.toString('latin1');
}

/** Octets of the textual encoding of `derLength` octets. */
export function pemLength(label: string, derLength: number): number {
  const characters = Math.ceil(derLength / 3) * 4;
  const boundaries = 2 * label.length + '-----BEGIN -----\n-----END -----\n'.length;
  return boundaries + characters + Math.ceil(characters / lineCharacters);
}

/**
 * Writes the textual encoding at `at`; returns the position after it. In octets from the first to the
 * last, because the strings of a download would be a quarter of a server's garbage
 * (docs/performance.md). `out` needs room for `pemLength` octets.
 */
export function writePem(label: string, der: Uint8Array, out: Buffer, at: number): number {
  let end = at + out.write(`-----BEGIN ${label}-----\n`, at, 'latin1');
  for (let start = 0; start < der.length; start += lineOctets) {
    end = writeLine(der, start, Math.min(start + lineOctets, der.length), out, end);
  }
  return end + out.write(`-----END ${label}-----\n`, end, 'latin1');
}

function writeLine(der: Uint8Array, start: number, end: number, out: Buffer, at: number): number {
  let to = at;
  let from = start;
  for (; from + 2 < end; from += 3) {
    const high = ((der[from] as number) << 4) | ((der[from + 1] as number) >> 4);
    const low = (((der[from + 1] as number) & 0x0f) << 8) | (der[from + 2] as number);
    out[to] = firstOfPair[high] as number;
    out[to + 1] = secondOfPair[high] as number;
    out[to + 2] = firstOfPair[low] as number;
    out[to + 3] = secondOfPair[low] as number;
    to += 4;
  }
  if (from < end) {
    const second = from + 1 < end ? (der[from + 1] as number) : 0;
    const high = ((der[from] as number) << 4) | (second >> 4);
    out[to] = firstOfPair[high] as number;
    out[to + 1] = secondOfPair[high] as number;
    out[to + 2] = from + 1 < end ? (firstOfPair[(second & 0x0f) << 8] as number) : padding;
    out[to + 3] = padding;
    to += 4;
  }
  out[to] = lineFeed;
  return to + 1;
}
