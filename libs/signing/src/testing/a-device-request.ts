import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import {
  encodeBitString,
  encodeInteger,
  encodeOid,
  encodeSequence,
  encodeSetOf,
  encodeTlv,
  oids,
  contextConstructed,
  signatureAlgorithmDer,
  tags,
} from '@certmill/der';

export interface DeviceRequest {
  readonly der: Uint8Array;
  readonly subjectPKInfoDer: Uint8Array;
}

/** A PKCS#10 request (RFC 2986) of a P-256 key for a common name, without attributes. */
export function aDeviceRequest(commonName: string, options: { forged?: true } = {}): DeviceRequest {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subjectPKInfoDer = publicKey.export({ type: 'spki', format: 'der' });
  const name = encodeSequence(
    encodeSetOf(
      encodeSequence(
        encodeOid(oids.id_at_commonName),
        encodeTlv(tags.utf8String, Buffer.from(commonName)),
      ),
    ),
  );
  const info = encodeSequence(
    encodeInteger(0),
    name,
    subjectPKInfoDer,
    encodeTlv(contextConstructed(0)),
  );
  const signer: KeyObject =
    options.forged === true
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
      : privateKey;
  const signature = encodeBitString(sign('sha256', info, signer));
  const der = encodeSequence(info, signatureAlgorithmDer('ecdsa-sha256'), signature);
  return { der, subjectPKInfoDer };
}
