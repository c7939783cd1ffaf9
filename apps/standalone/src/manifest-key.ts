import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The key that signs manifests (Ed25519, RFC 8032): a file of its own, for it certifies nothing.
 * Made at first use.
 */
export function openManifestKey(dataDirectory: string): KeyObject {
  const file = join(dataDirectory, 'manifest-key.pem');
  try {
    const { privateKey } = generateKeyPairSync('ed25519');
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
    writeFileSync(file, pem, { mode: 0o600, flag: 'wx', flush: true });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  return createPrivateKey(readFileSync(file));
}
