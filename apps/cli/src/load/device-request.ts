import { generateKeyPairSync, hash, sign } from 'node:crypto';
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

/** A simulated device: a fresh P-256 key of its own and its certification request. */
export interface SimulatedDevice {
  readonly deviceId: string;
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  readonly udid: string;
  readonly csrDer: Uint8Array;
}

const version = encodeInteger(0);
const commonName = encodeOid(oids.id_at_commonName);
const noAttributes = encodeTlv(contextConstructed(0));
const ecdsaWithSha256 = encodeAlgorithmIdentifier(oids.ecdsa_with_SHA256);

/** What a factory does for each device; the private key is forgotten at once. */
export function simulateDevice(deviceId: string): SimulatedDevice {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const name = encodeTlv(tags.utf8String, Buffer.from(deviceId));
  const subject = encodeSequence(encodeSetOf(encodeSequence(commonName, name)));
  const info = encodeSequence(version, subject, spki, noAttributes);
  const signature = sign('sha256', info, privateKey);
  return {
    deviceId,
    udid: hash('sha256', spki, 'hex'),
    csrDer: encodeSequence(info, ecdsaWithSha256, encodeBitString(signature)),
  };
}
