import {
  encodeAlgorithmIdentifier,
  encodeInteger,
  encodeNull,
  encodeOctetString,
  encodeOidContent,
  encodeSequence,
} from '../encoding/der-encode.js';
import { DerReader } from '../encoding/der-reader.js';
import { tags } from '../encoding/tags.js';

// RFC 8018 A.2, A.4; RFC 8018 B.1.2; NIST CSOR.
const idPbes2 = '1.2.840.113549.1.5.13';
const idPbkdf2 = '1.2.840.113549.1.5.12';
const idHmacWithSha256 = '1.2.840.113549.2.9';
const aes256Cbc = '2.16.840.1.101.3.4.1.42';

const idPbes2Content = encodeOidContent(idPbes2);
const idPbkdf2Content = encodeOidContent(idPbkdf2);
const aes256CbcContent = encodeOidContent(aes256Cbc);
const hmacWithSha256 = encodeAlgorithmIdentifier(idHmacWithSha256, encodeNull());

/** Octets of the key that is derived: AES-256. */
export const PBES2_KEY_OCTETS = 32;
export const PBES2_IV_OCTETS = 16;
const maxIterations = 0x7fffffff;

/**
 * `EncryptedPrivateKeyInfo` (RFC 5958 3) in the one form that Certmill writes: PBES2 with
 * PBKDF2-HMAC-SHA256 and AES-256-CBC (RFC 8018 6.2), which OpenSSL, Java and Go read.
 */
export interface Pbes2Parts {
  readonly salt: Uint8Array;
  readonly iterations: number;
  /** `PBES2_IV_OCTETS`. */
  readonly iv: Uint8Array;
  readonly encrypted: Uint8Array;
}

export function encodeEncryptedPrivateKeyInfo(parts: Pbes2Parts): Uint8Array {
  const { salt, iterations, iv, encrypted } = parts;
  const derivation = encodeAlgorithmIdentifier(
    idPbkdf2,
    encodeSequence(
      encodeOctetString(salt),
      encodeInteger(iterations),
      encodeInteger(PBES2_KEY_OCTETS),
      hmacWithSha256,
    ),
  );
  const encryption = encodeAlgorithmIdentifier(aes256Cbc, encodeOctetString(iv));
  return encodeSequence(
    encodeAlgorithmIdentifier(idPbes2, encodeSequence(derivation, encryption)),
    encodeOctetString(encrypted),
  );
}

/**
 * The parts, as views into `der`; undefined where the key is encrypted in another way, which is for
 * OpenSSL to read, or the bytes are none.
 */
export function readEncryptedPrivateKeyInfo(der: Uint8Array): Pbes2Parts | undefined {
  const reader = new DerReader();
  if (!reader.reset(der, 0, der.length)) return undefined;
  const isOid = (content: Uint8Array, limit: number): boolean =>
    reader.objectIdentifier(limit) && reader.contentIs(content);
  const octets = (limit: number): Uint8Array | undefined =>
    reader.skip(tags.octetString, limit)
      ? der.subarray(reader.contentStart, reader.contentEnd)
      : undefined;

  const end = reader.open(tags.sequence, der.length);
  const algorithm = reader.open(tags.sequence, end);
  if (!isOid(idPbes2Content, algorithm)) return undefined;
  const parameters = reader.open(tags.sequence, algorithm);
  const derivation = reader.open(tags.sequence, parameters);
  if (!isOid(idPbkdf2Content, derivation)) return undefined;
  const inputs = reader.open(tags.sequence, derivation);
  const salt = octets(inputs);
  const iterations = reader.smallInteger(inputs, maxIterations);
  const hasLength = reader.peek(inputs) === tags.integer;
  if (hasLength && reader.smallInteger(inputs, maxIterations) !== PBES2_KEY_OCTETS) {
    return undefined;
  }
  if (Buffer.compare(der.subarray(reader.position, inputs), hmacWithSha256) !== 0) return undefined;
  reader.position = inputs;
  const encryption = reader.open(tags.sequence, parameters);
  if (!isOid(aes256CbcContent, encryption)) return undefined;
  const iv = octets(encryption);
  const encrypted = octets(end);
  if (salt === undefined || iterations < 1 || encrypted === undefined) return undefined;
  if (iv?.length !== PBES2_IV_OCTETS) return undefined;
  return reader.close(end) && end === der.length ? { salt, iterations, iv, encrypted } : undefined;
}
