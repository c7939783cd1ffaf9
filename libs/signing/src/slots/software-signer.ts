import { createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { CertmillError } from '@certmill/domain';
import { decryptPbes2 } from './encrypted-key.js';
import type { SignatureHashing, Signer, SlotSettings } from './signing-slot.js';

/**
 * Opens an encrypted PKCS#8 key for a worker. The decrypted key lives in OpenSSL's memory only.
 * Faults: CONFIG_INVALID where key or passphrase cannot be read or do not fit each other.
 */
export async function openSigner(
  settings: SlotSettings,
  { hash }: SignatureHashing,
): Promise<Signer> {
  const keyFile = String(settings['keyFile']);
  const content = readSecret('key file', keyFile);
  const passphrase = readPassphrase(settings);
  const key =
    (await decryptBeside(content, passphrase)) ??
    decryptKey(`the key file ${keyFile}`, content, passphrase);
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

/** Undefined where it is for OpenSSL to decrypt the key, or to say what is wrong with it. */
async function decryptBeside(
  content: Buffer,
  passphrase: Uint8Array,
): Promise<KeyObject | undefined> {
  const pem = /-----BEGIN ENCRYPTED PRIVATE KEY-----([^-]*)-----END/.exec(
    content.toString('latin1'),
  );
  try {
    return await decryptPbes2(
      pem === null ? content : Buffer.from(pem[1] ?? '', 'base64'),
      passphrase,
    );
  } catch {
    return undefined;
  }
}
