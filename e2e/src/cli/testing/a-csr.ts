import { generateKeyPairSync, sign, type KeyPairKeyObjectResult } from 'node:crypto';
import {
  contextConstructed,
  encodeAlgorithmIdentifier,
  encodeBitString,
  encodeInteger,
  encodeOid,
  encodeSequence,
  encodeSetOf,
  encodeTlv,
  oids,
  tags,
} from '@certmill/der';

export const aKey = (): KeyPairKeyObjectResult =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' });

/**
 * A P-256 request with subject CN = `commonName`, in milliseconds where openssl takes tens: for
 * batches of thousands.
 */
export function aCsr(commonName: string | Uint8Array, { privateKey, publicKey } = aKey()): Buffer {
  const value = typeof commonName === 'string' ? Buffer.from(commonName) : commonName;
  const name = encodeSequence(encodeOid('2.5.4.3'), encodeTlv(tags.utf8String, value));
  const info = encodeSequence(
    encodeInteger(0),
    encodeSequence(encodeSetOf(name)),
    publicKey.export({ type: 'spki', format: 'der' }),
    encodeTlv(contextConstructed(0), new Uint8Array()),
  );
  const signature = encodeBitString(sign('sha256', info, privateKey));
  return Buffer.from(
    encodeSequence(info, encodeAlgorithmIdentifier(oids.ecdsa_with_SHA256), signature),
  );
}

export interface DeviceCsr {
  readonly deviceId: string;
  readonly csr: Buffer;
}

export function csrsOf(count: number, prefix: string): DeviceCsr[] {
  return Array.from({ length: count }, (_, i) => {
    const deviceId = `${prefix}-${String(i)}`;
    return { deviceId, csr: aCsr(deviceId) };
  });
}

export function ndjsonOf(csrs: readonly DeviceCsr[]): string {
  return csrs
    .map(({ deviceId, csr }) => `${JSON.stringify({ deviceId, csr: csr.toString('base64') })}\n`)
    .join('');
}

export function csvOf(csrs: readonly DeviceCsr[]): string {
  const rows = csrs.map(({ deviceId, csr }) => `${deviceId},${csr.toString('base64')}\n`);
  return `deviceId,csr\n${rows.join('')}`;
}
