import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import {
  encodeCertificationRequest,
  encodeCommonName,
  type MlDsaAlgorithm,
  signatureAlgorithmDer,
} from '@certmill/der';

export interface DeviceRequest {
  readonly der: Uint8Array;
  readonly subjectPKInfoDer: Uint8Array;
}

/** A PKCS#10 request (RFC 2986) of a P-256 key for a common name, without attributes. */
export function aDeviceRequest(commonName: string, options: { forged?: true } = {}): DeviceRequest {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subjectPKInfoDer = publicKey.export({ type: 'spki', format: 'der' });
  const signer: KeyObject =
    options.forged === true
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
      : privateKey;
  const der = encodeCertificationRequest({
    subjectDer: encodeCommonName(commonName),
    subjectPKInfoDer,
    signatureAlgorithmDer: signatureAlgorithmDer('ecdsa-sha256'),
    sign: (info) => sign('sha256', info, signer),
  });
  return { der, subjectPKInfoDer };
}

/** The same with an ML-DSA key (RFC 9881). */
export function aMlDsaDeviceRequest(
  commonName: string,
  parameterSet: MlDsaAlgorithm,
): DeviceRequest {
  const { privateKey, publicKey } = generateKeyPairSync(parameterSet);
  const subjectPKInfoDer = publicKey.export({ type: 'spki', format: 'der' });
  const der = encodeCertificationRequest({
    subjectDer: encodeCommonName(commonName),
    subjectPKInfoDer,
    signatureAlgorithmDer: signatureAlgorithmDer(parameterSet),
    sign: (info) => sign(null, info, privateKey),
  });
  return { der, subjectPKInfoDer };
}
