import { generateKeyPairSync, hash, sign } from 'node:crypto';
import {
  encodeCertificationRequest,
  encodeCommonName,
  type MlDsaAlgorithm,
  signatureAlgorithmDer,
} from '@certmill/der';

/** A simulated device: a fresh key of its own and its certification request. */
export interface SimulatedDevice {
  readonly deviceId: string;
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  readonly udid: string;
  readonly csrDer: Uint8Array;
}

const ecdsaWithSha256 = signatureAlgorithmDer('ecdsa-sha256');

export type SimulatedKeyType = 'ec-p256' | MlDsaAlgorithm;

/** What a factory does for each device; the private key is forgotten at once. */
export function simulateDevice(
  deviceId: string,
  keyType: SimulatedKeyType = 'ec-p256',
): SimulatedDevice {
  const isEc = keyType === 'ec-p256';
  const { privateKey, publicKey } = isEc
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
    : generateKeyPairSync(keyType);
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return {
    deviceId,
    udid: hash('sha256', spki, 'hex'),
    csrDer: encodeCertificationRequest({
      subjectDer: encodeCommonName(deviceId),
      subjectPKInfoDer: spki,
      signatureAlgorithmDer: isEc ? ecdsaWithSha256 : signatureAlgorithmDer(keyType),
      sign: (info) => sign(isEc ? 'sha256' : null, info, privateKey),
    }),
  };
}
