import { createPublicKey } from 'node:crypto';
import { DerReader, emptyPublicKeyWalk, walkPublicKey } from '@certmill/der';
import { CertmillError } from '@certmill/domain';
import { keyTypeOf } from './key-types.js';

/**
 * A SubjectPublicKeyInfo in the one form that RFC 5480 2.1.1 and 2.2 have for EC keys: a named curve, and the point
 * uncompressed. OpenSSL reads compressed and hybrid points and explicit parameters as well, so the bytes of one
 * key may be others. As it is where it has that form already, or nobody knows the key.
 */
export function usualSpkiOf(spkiDer: Uint8Array): Uint8Array {
  if (isKnownAtALook(spkiDer)) return spkiDer;
  try {
    const key = createPublicKey({ key: Buffer.from(spkiDer), format: 'der', type: 'spki' });
    const usual = createPublicKey({ key: key.export({ format: 'jwk' }), format: 'jwk' });
    return usual.export({ format: 'der', type: 'spki' });
  } catch {
    return spkiDer;
  }
}

/**
 * INVALID_INPUT where a key is written in another form: over it there would be certificates that are not found by it.
 * @param description names what has the key in the message.
 */
export function assertUsualForm(spkiDer: Uint8Array, description: string): void {
  if (Buffer.compare(usualSpkiOf(spkiDer), spkiDer) === 0) return;
  throw new CertmillError(
    'INVALID_INPUT',
    `${description} has its key with a compressed or hybrid point, or with explicit parameters: ` +
      'name the curve, and leave the point uncompressed (RFC 5480 2.1.1, 2.2)',
  );
}

function isKnownAtALook(spkiDer: Uint8Array): boolean {
  const reader = new DerReader();
  const walk = emptyPublicKeyWalk();
  const { length } = spkiDer;
  if (!reader.reset(spkiDer, 0, length) || !walkPublicKey(reader, length, 0, walk)) return false;
  return keyTypeOf(walk) !== undefined;
}
