import { generateKeyPair as generateKeyPairCallback, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import type { IssuerKeyType } from './key-types.js';

const generateKeyPair = promisify(generateKeyPairCallback);

const curves = { 'ec-p256': 'P-256', 'ec-p384': 'P-384', 'ec-p521': 'P-521' } as const;

export interface IssuerKeyPair {
  readonly publicKey: KeyObject;
  /** Extractable, to be written encrypted. */
  readonly privateKey: KeyObject;
}

/**
 * A new key pair; RSA takes seconds. By node:crypto and not WebCrypto, whose ML-DSA is an experiment
 * in Node 24 and says so on stderr.
 */
export async function generateIssuerKey(keyType: IssuerKeyType): Promise<IssuerKeyPair> {
  switch (keyType) {
    case 'ec-p256':
    case 'ec-p384':
    case 'ec-p521':
      return generateKeyPair('ec', { namedCurve: curves[keyType] });
    case 'ed25519':
      return generateKeyPair('ed25519');
    case 'ml-dsa-44':
    case 'ml-dsa-65':
    case 'ml-dsa-87':
      return generateKeyPair(keyType);
    default:
      return generateKeyPair('rsa', { modulusLength: Number(keyType.slice('rsa-'.length)) });
  }
}
