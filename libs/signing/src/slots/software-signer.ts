import { createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { CertmillError } from '@certmill/domain';
import type { SignatureHashing, Signer, SlotSettings } from './signing-slot.js';

/**
 * Opens an encrypted PKCS#8 key for a worker. The decrypted key lives in OpenSSL's memory only.
 * Faults: CONFIG_INVALID where key or passphrase cannot be read or do not fit each other.
 */
export function openSigner(settings: SlotSettings, { hash }: SignatureHashing): Signer {
  const keyFile = String(settings['keyFile']);
  const content = readSecret('key file', keyFile);
  const key = decryptKey(`the key file ${keyFile}`, content, readPassphrase(settings));
  return {
    subjectPKInfoDer: createPublicKey(key).export({ type: 'spki', format: 'der' }),
    sign: (tbs) => sign(hash, tbs, key),
  };
}

/** Faults: CONFIG_INVALID. */
export function readPassphrase(settings: SlotSettings): Buffer {
  const { passphraseFile, passphraseEnvironment } = settings;
  if (typeof passphraseFile === 'string') {
    const content = readSecret('passphrase file', passphraseFile);
    const end = content.at(-1) === 0x0a ? (content.at(-2) === 0x0d ? -2 : -1) : content.length;
    return content.subarray(0, end);
  }
  const variable = String(passphraseEnvironment);
  const value = process.env[variable];
  if (value === undefined || value === '') {
    throw new CertmillError('CONFIG_INVALID', `the passphrase variable ${variable} is not set`);
  }
  return Buffer.from(value);
}

function readSecret(kind: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new CertmillError('CONFIG_INVALID', `the ${kind} ${file} cannot be read`, { cause });
  }
}

/**
 * @param description names the key in the messages.
 * Faults: CONFIG_INVALID.
 */
export function decryptKey(description: string, content: Buffer, passphrase: Buffer): KeyObject {
  const isPem = content.subarray(0, 200).includes('-----BEGIN');
  if (isPem && !content.includes('-----BEGIN ENCRYPTED PRIVATE KEY-----')) {
    throw new CertmillError('CONFIG_INVALID', `${description} is not an encrypted PKCS#8 key`);
  }
  try {
    return isPem
      ? createPrivateKey({ key: content, format: 'pem', passphrase })
      : createPrivateKey({ key: content, format: 'der', type: 'pkcs8', passphrase });
  } catch {
    // No cause: what OpenSSL says of a wrong passphrase is noise, and nothing of a key may leak.
    throw new CertmillError(
      'CONFIG_INVALID',
      `${description} cannot be decrypted: wrong passphrase, or not an encrypted PKCS#8 key`,
    );
  }
}
