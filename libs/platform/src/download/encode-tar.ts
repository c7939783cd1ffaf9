import { entryName } from './entry-name.js';
import type { ResultGroup } from './result-groups.js';

const blockBytes = 512;

/** A ustar archive (POSIX.1-1988): `chain.pem` first, then the DER of each certificate. */
export async function* certificateTar(
  groups: AsyncIterable<ResultGroup>,
  chainPem: string,
  modifiedAtMs: number,
): AsyncGenerator<Uint8Array> {
  yield Buffer.concat(tarEntry('chain.pem', Buffer.from(chainPem), modifiedAtMs));
  for await (const { results } of groups) {
    const parts: Uint8Array[] = [];
    for (const { index, deviceId, certificateDer } of results) {
      if (certificateDer === undefined) continue;
      parts.push(...tarEntry(entryName(index, deviceId), certificateDer, modifiedAtMs));
    }
    if (parts.length > 0) yield Buffer.concat(parts);
  }
  yield Buffer.alloc(2 * blockBytes);
}

function tarEntry(name: string, content: Uint8Array, modifiedAtMs: number): readonly Uint8Array[] {
  const header = Buffer.alloc(blockBytes);
  const octal = (value: number, at: number, digits: number): void => {
    header.write(value.toString(8).padStart(digits, '0'), at, 'latin1');
  };
  header.write(name, 0, 'latin1');
  octal(0o644, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(content.length, 124, 11);
  octal(Math.floor(modifiedAtMs / 1000), 136, 11);
  header.fill(' ', 148, 156);
  header.write('0', 156, 'latin1');
  header.write('ustar\u000000', 257, 'latin1');
  const sum = header.reduce((total, octet) => total + octet, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  const padding = (blockBytes - (content.length % blockBytes)) % blockBytes;
  return [header, content, Buffer.alloc(padding)];
}
