/**
 * Writes the `r || s` that PKCS#11 modules answer, the first octets of `raw`, as
 * `Ecdsa-Sig-Value ::= SEQUENCE { r INTEGER, s INTEGER }` (RFC 3279 2.2.3) to the begin of `out`, and
 * returns that part of it.
 */
export function writeEcdsaSignature(raw: Uint8Array, bytes: number, out: Uint8Array): Uint8Array {
  const half = bytes >>> 1;
  const rStart = firstDigit(raw, 0, half);
  const sStart = firstDigit(raw, half, bytes);
  const content = integerOctets(raw, rStart, half) + integerOctets(raw, sStart, bytes);
  let at = 0;
  out[at++] = 0x30;
  // P-521 has up to 137 octets; more than 255 no curve.
  if (content > 127) out[at++] = 0x81;
  out[at++] = content;
  at = writeInteger(raw, rStart, half, out, at);
  at = writeInteger(raw, sStart, bytes, out, at);
  return out.subarray(0, at);
}

/** Of zero, its last octet. */
function firstDigit(raw: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end - 1 && raw[at] === 0) at++;
  return at;
}

function needsSignOctet(raw: Uint8Array, start: number): boolean {
  return (raw[start] ?? 0) > 0x7f;
}

function integerOctets(raw: Uint8Array, start: number, end: number): number {
  return 2 + (needsSignOctet(raw, start) ? 1 : 0) + end - start;
}

function writeInteger(
  raw: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  outAt: number,
): number {
  let at = outAt;
  out[at++] = 0x02;
  out[at++] = integerOctets(raw, start, end) - 2;
  if (needsSignOctet(raw, start)) out[at++] = 0;
  for (let from = start; from < end; from++) out[at++] = raw[from] ?? 0;
  return at;
}
