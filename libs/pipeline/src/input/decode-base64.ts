const skipped = 64;
const padding = 65;
const foreign = 66;

/** Both alphabets of RFC 4648 (4 and 5); space, tab, CR and LF are skipped. */
const sextets = new Uint8Array(256).fill(foreign);
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
for (const alphabet of [`${letters}0123456789+/`, `${letters}0123456789-_`]) {
  for (let value = 0; value < 64; value++) sextets[alphabet.charCodeAt(value)] = value;
}
for (const space of [0x20, 0x09, 0x0d, 0x0a]) sextets[space] = skipped;
sextets[0x3d] = padding;

const backslash = 0x5c;
/** What may follow a backslash in a JSON string of base64: n, r, t are white space, / is itself. */
const escapes = new Uint8Array(256).fill(foreign);
for (const letter of 'nrt') escapes[letter.charCodeAt(0)] = skipped;
escapes[0x2f] = 63;

/**
 * Decodes base64 or base64url, padded or not, from `bytes[start, end)` into `out` at `at`. Strict
 * where Buffer.from is not: any other character, or padding that is not at the end, is an error.
 * @param isJson The octets are the inside of a JSON string: its escapes are understood.
 * @returns The position after the last octet written, or -1. `out` needs room for 3/4 of the input.
 */
export function decodeBase64(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
  isJson = false,
): number {
  let bits = 0;
  let count = 0;
  let pads = 0;
  for (let i = start; i < end; i++) {
    let value = sextets[bytes[i] as number] as number;
    if (value === foreign && isJson && bytes[i] === backslash && i + 1 < end) {
      value = escapes[bytes[++i] as number] as number;
    }
    if (value < 64) {
      if (pads > 0) return -1;
      bits = (bits << 6) | value;
      if ((++count & 3) === 0) {
        out[at] = bits >> 16;
        out[at + 1] = bits >> 8;
        out[at + 2] = bits;
        at += 3;
        bits = 0;
      }
    } else if (value === padding) pads++;
    else if (value === foreign) return -1;
  }
  return finish(bits, count & 3, pads, out, at);
}

/**
 * The last, incomplete group: 2 or 3 characters, whose left-over bits are zero, padded fully or
 * not.
 */
function finish(bits: number, left: number, pads: number, out: Uint8Array, at: number): number {
  if (pads > 0 && left + pads !== 4) return -1;
  if (left === 0) return at;
  if (left === 1) return -1;
  if (left === 2) {
    if ((bits & 0x0f) !== 0) return -1;
    out[at] = bits >> 4;
    return at + 1;
  }
  if ((bits & 0x03) !== 0) return -1;
  out[at] = bits >> 10;
  out[at + 1] = bits >> 2;
  return at + 2;
}
