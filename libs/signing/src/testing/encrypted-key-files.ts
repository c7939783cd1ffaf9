import { createCipheriv, pbkdf2Sync, randomBytes, type KeyObject } from 'node:crypto';
import { encodeEncryptedPrivateKeyInfo } from '@certmill/der';

/** PBES2 (RFC 8018 6.2) as Certmill writes it; all keys of one encryptor have one salt. */
export class KeyEncryptor {
  private readonly salt = randomBytes(16);
  private readonly iterations: number;
  private readonly key: Buffer;

  constructor(passphrase: string, iterations: number) {
    this.iterations = iterations;
    this.key = pbkdf2Sync(passphrase, this.salt, iterations, 32, 'sha256');
  }

  /** `EncryptedPrivateKeyInfo` in DER. */
  encrypt(key: KeyObject): Uint8Array {
    const { salt, iterations } = this;
    const iv = randomBytes(16);
    const cipher = createCipheriv('aes-256-cbc', this.key, iv);
    const pkcs8 = key.export({ type: 'pkcs8', format: 'der' });
    const encrypted = Buffer.concat([cipher.update(pkcs8), cipher.final()]);
    return encodeEncryptedPrivateKeyInfo({ salt, iterations, iv, encrypted });
  }
}
