import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { decryptPbes2 } from './encrypted-key.js';

const passphrase = Buffer.from('correct horse battery staple 7731');
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

function openssl(...options: string[]): Buffer {
  return execFileSync(
    'openssl',
    ['pkcs8', '-topk8', '-outform', 'DER', '-passout', `pass:${passphrase.toString()}`, ...options],
    { input: privateKey.export({ type: 'pkcs8', format: 'pem' }) },
  );
}

const same = (key: KeyObject | undefined): boolean | undefined => key?.equals(privateKey);

describe('an encrypted PKCS#8 key', () => {
  it.each([
    ['2,048 iterations', ['-v2', 'aes-256-cbc', '-v2prf', 'hmacWithSHA256']],
    ['600,000 iterations', ['-v2', 'aes-256-cbc', '-v2prf', 'hmacWithSHA256', '-iter', '600000']],
  ])('is decrypted as OpenSSL wrote it, with %s', async (_, options) => {
    expect(same(await decryptPbes2(openssl(...options), passphrase))).toBe(true);
  });

  it.each([
    ['another cipher', ['-v2', 'aes-128-cbc']],
    ['another PRF', ['-v2', 'aes-256-cbc', '-v2prf', 'hmacWithSHA512']],
    ['scrypt', ['-scrypt', '-v2', 'aes-256-cbc']],
  ])('is left to OpenSSL with %s', async (_, options) => {
    expect(await decryptPbes2(openssl(...options), passphrase)).toBeUndefined();
  });

  it('is never decrypted with another passphrase, also after the right one', async () => {
    const der = openssl('-v2', 'aes-256-cbc');
    expect(same(await decryptPbes2(der, passphrase))).toBe(true);
    await expect(decryptPbes2(der, Buffer.from('another'))).rejects.toThrow();
    expect(same(await decryptPbes2(der, passphrase))).toBe(true);
  });

  it('is none where it is cut short, at every octet, or goes on', async () => {
    const der = openssl('-v2', 'aes-256-cbc');
    for (let length = 0; length < der.length; length++) {
      expect(await decryptPbes2(der.subarray(0, length), passphrase)).toBeUndefined();
    }
    expect(await decryptPbes2(Buffer.concat([der, Buffer.of(0)]), passphrase)).toBeUndefined();
  });
});
