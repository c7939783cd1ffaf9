import { generateKeyPairSync, sign, type KeyPairKeyObjectResult } from 'node:crypto';
import {
  encodeCertificationRequest,
  encodeCommonName,
  type MlDsaAlgorithm,
  signatureAlgorithmDer,
} from '@certmill/der';

export const aKey = (): KeyPairKeyObjectResult =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' });

export const anMlDsaKey = (parameterSet: MlDsaAlgorithm): KeyPairKeyObjectResult =>
  generateKeyPairSync(parameterSet);

/**
 * A request with subject CN = `commonName` and a P-256 key, or the ML-DSA key that is given, in
 * milliseconds where openssl takes tens: for batches of thousands.
 */
export function aCsr(commonName: string | Uint8Array, { privateKey, publicKey } = aKey()): Buffer {
  const { asymmetricKeyType: type } = publicKey;
  const isEc = type === 'ec';
  return Buffer.from(
    encodeCertificationRequest({
      subjectDer: encodeCommonName(commonName),
      subjectPKInfoDer: publicKey.export({ type: 'spki', format: 'der' }),
      signatureAlgorithmDer: signatureAlgorithmDer(
        isEc ? 'ecdsa-sha256' : (type as MlDsaAlgorithm),
      ),
      sign: (info) => sign(isEc ? 'sha256' : null, info, privateKey),
    }),
  );
}

/** The same with a last octet that breaks its proof of possession. */
export function aForgedCsr(commonName: string): Buffer {
  const csr = aCsr(commonName);
  csr[csr.length - 1] = (csr.at(-1) ?? 0) ^ 1;
  return csr;
}

export interface DeviceCsr {
  readonly deviceId: string;
  readonly csr: Buffer;
}

export function csrsOf(count: number, prefix = 'dev'): DeviceCsr[] {
  return Array.from({ length: count }, (_, i) => {
    const deviceId = `${prefix}-${String(i)}`;
    return { deviceId, csr: aCsr(deviceId) };
  });
}

/** A line of NDJSON, with its line feed. */
export function ndjsonLineOf(deviceId: string, csr: string | Buffer): string {
  const text = typeof csr === 'string' ? csr : csr.toString('base64');
  return `${JSON.stringify({ deviceId, csr: text })}\n`;
}

export function ndjsonOf(csrs: readonly DeviceCsr[]): string {
  return csrs.map(({ deviceId, csr }) => ndjsonLineOf(deviceId, csr)).join('');
}

export function csvOf(csrs: readonly DeviceCsr[]): string {
  const rows = csrs.map(({ deviceId, csr }) => `${deviceId},${csr.toString('base64')}\n`);
  return `deviceId,csr\n${rows.join('')}`;
}
