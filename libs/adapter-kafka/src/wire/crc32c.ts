/** Castagnoli's polynomial, reflected (RFC 3720 B.4): record batches carry it. */
const polynomial = 0x82f63b78;
const stride = 16;
const tables = makeTables();

/** Sixteen octets a step: 5 times as fast as kafkajs' one (kafka-log.bench.ts). */
export function crc32c(bytes: Uint8Array, start: number, end: number): number {
  const t = tables;
  let crc = -1;
  let i = start;
  for (const last = end - stride; i <= last; i += stride) {
    /* eslint-disable @typescript-eslint/no-non-null-assertion -- within the bounds; a check costs. */
    crc =
      t[0xf00 | ((crc ^ bytes[i]!) & 0xff)]! ^
      t[0xe00 | (((crc >>> 8) ^ bytes[i + 1]!) & 0xff)]! ^
      t[0xd00 | (((crc >>> 16) ^ bytes[i + 2]!) & 0xff)]! ^
      t[0xc00 | ((crc >>> 24) ^ bytes[i + 3]!)]! ^
      t[0xb00 | bytes[i + 4]!]! ^
      t[0xa00 | bytes[i + 5]!]! ^
      t[0x900 | bytes[i + 6]!]! ^
      t[0x800 | bytes[i + 7]!]! ^
      t[0x700 | bytes[i + 8]!]! ^
      t[0x600 | bytes[i + 9]!]! ^
      t[0x500 | bytes[i + 10]!]! ^
      t[0x400 | bytes[i + 11]!]! ^
      t[0x300 | bytes[i + 12]!]! ^
      t[0x200 | bytes[i + 13]!]! ^
      t[0x100 | bytes[i + 14]!]! ^
      t[bytes[i + 15]!]!;
  }
  for (; i < end; i++) crc = t[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  /* eslint-enable @typescript-eslint/no-non-null-assertion */
  return ~crc >>> 0;
}

/** Table k, of 256 entries each, tells what an octet does to the sum that is followed by k others. */
function makeTables(): Int32Array {
  const made = new Int32Array(256 * stride);
  for (let octet = 0; octet < 256; octet++) {
    let crc = octet;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? polynomial : 0);
    made[octet] = crc;
  }
  for (let i = 256; i < made.length; i++) {
    const shorter = made[i - 256] ?? 0;
    made[i] = (made[shorter & 0xff] ?? 0) ^ (shorter >>> 8);
  }
  return made;
}
