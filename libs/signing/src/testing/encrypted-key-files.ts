import { createCipheriv, pbkdf2Sync, randomBytes, type KeyObject } from 'node:crypto';
import {
  encodeAlgorithmIdentifier,
  encodeInteger,
  encodeNull,
  encodeOctetString,
  encodeSequence,
} from '@certmill/der';

/** PBES2 (RFC 8018 6.2) as Certmill writes it; all keys of one encryptor have one salt. */
export class KeyEncryptor {
  private readonly key: Buffer;
  private readonly derivation: Uint8Array;

  constructor(passphrase: string, iterations: number) {
    const salt = randomBytes(16);
    this.key = pbkdf2Sync(passphrase, salt, iterations, 32, 'sha256');
    this.derivation = encodeAlgorithmIdentifier(
      '1.2.840.113549.1.5.12',
      encodeSequence(
        encodeOctetString(salt),
        encodeInteger(iterations),
        encodeAlgorithmIdentifier('1.2.840.113549.2.9', encodeNull()),
      ),
    );
  }

  /** `EncryptedPrivateKeyInfo` in DER. */
  encrypt(key: KeyObject): Uint8Array {
    const iv = randomBytes(16);
    const cipher = createCipheriv('aes-256-cbc', this.key, iv);
    const pkcs8 = key.export({ type: 'pkcs8', format: 'der' });
    const encryption = encodeAlgorithmIdentifier('2.16.840.1.101.3.4.1.42', encodeOctetString(iv));
    return encodeSequence(
      encodeAlgorithmIdentifier(
        '1.2.840.113549.1.5.13',
        encodeSequence(this.derivation, encryption),
      ),
      encodeOctetString(Buffer.concat([cipher.update(pkcs8), cipher.final()])),
    );
  }
}
