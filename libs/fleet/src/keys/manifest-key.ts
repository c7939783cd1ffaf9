import { createPrivateKey, type KeyObject } from 'node:crypto';
import { CertmillError, isCertmillError } from '@certmill/domain';
import { readNamedFile } from '../config/secret-files.js';

/** The key that signs manifests. CONFIG_INVALID, which quotes nothing of the file. */
export function openManifestKey(file: string | undefined): KeyObject {
  if (file === undefined) {
    throw new CertmillError(
      'CONFIG_INVALID',
      "manifestKeyFile is missing: 'certmill fleet keys' makes one",
    );
  }
  try {
    const key = createPrivateKey(readNamedFile('manifestKeyFile', file));
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch (error) {
    if (isCertmillError(error)) throw error;
    // No cause: nothing of a key may leak.
  }
  throw new CertmillError('CONFIG_INVALID', `manifestKeyFile: ${file} is no Ed25519 private key`);
}
