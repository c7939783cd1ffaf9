import { generateKeyPairSync, hash, sign } from 'node:crypto';
import { encodeCertificationRequest, encodeCommonName, signatureAlgorithmDer } from '@certmill/der';

/** A simulated device: a fresh P-256 key of its own and its certification request. */
export interface SimulatedDevice {
  readonly deviceId: string;
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  readonly udid: string;
  readonly csrDer: Uint8Array;
}

const ecdsaWithSha256 = signatureAlgorithmDer('ecdsa-sha256');

/** What a factory does for each device; the private key is forgotten at once. */
export function simulateDevice(deviceId: string): SimulatedDevice {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return {
    deviceId,
    udid: hash('sha256', spki, 'hex'),
    csrDer: encodeCertificationRequest({
      subjectDer: encodeCommonName(deviceId),
      subjectPKInfoDer: spki,
      signatureAlgorithmDer: ecdsaWithSha256,
      sign: (info) => sign('sha256', info, privateKey),
    }),
  };
}
