/**
 * The y coordinates of the points of small order on Edwards25519 (RFC 8032 5.1), canonical or not,
 * little-endian with the sign bit clear. Anyone can make signatures that such a key verifies.
 */
const smallOrderPoints: readonly Buffer[] = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
].map((hex) => Buffer.from(hex, 'hex'));

const lastOctet = 31;

/** @param bytes holds the 32 octets of the point from `start` on. */
export function isSmallOrderPoint(bytes: Uint8Array, start: number): boolean {
  return smallOrderPoints.some((point) => {
    if (((bytes[start + lastOctet] ?? 0) & 0x7f) !== point[lastOctet]) return false;
    for (let index = 0; index < lastOctet; index += 1) {
      if (bytes[start + index] !== point[index]) return false;
    }
    return true;
  });
}
