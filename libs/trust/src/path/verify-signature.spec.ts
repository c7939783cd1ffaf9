import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { encodeAlgorithmIdentifier, oids } from '@certmill/der';
import { readDerNode } from '../lint/der-node.js';
import { verifySignature } from './verify-signature.js';

const signed = Buffer.from('what was signed');

/** Keys by the OIDs that may stand beside a signature of theirs, with the hash that makes it. */
const algorithms: readonly [string, string | null, 'ec' | 'rsa' | 'ed25519' | 'ml-dsa-44'][] = [
  [oids.ecdsa_with_SHA256, 'sha256', 'ec'],
  [oids.sha256WithRSAEncryption, 'sha256', 'rsa'],
  [oids.id_Ed25519, null, 'ed25519'],
  [oids.id_ml_dsa_44, null, 'ml-dsa-44'],
];

describe('verifySignature', () => {
  const keys = {
    ec: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    rsa: generateKeyPairSync('rsa', { modulusLength: 2_048 }),
    ed25519: generateKeyPairSync('ed25519'),
    'ml-dsa-44': generateKeyPairSync('ml-dsa-44'),
  };
  const verdictOf = (oid: string, signature: Uint8Array, publicKey: KeyObject) =>
    verifySignature(readDerNode(encodeAlgorithmIdentifier(oid))!, signed, signature, publicKey);

  it.each(algorithms)('%s is good with a key of its kind, and bad with any other', (oid, hash) => {
    // Each key signs as it can by that hash: what it signs is right, but by another algorithm.
    const verdicts = Object.entries(keys).flatMap(([kind, { privateKey, publicKey }]) => {
      const own = kind === 'ec' || kind === 'rsa' ? hash : null;
      return [[kind, verdictOf(oid, sign(own, signed, privateKey), publicKey)]];
    });
    const right = algorithms.find(([name]) => name === oid)?.[2];
    expect(Object.fromEntries(verdicts)).toEqual(
      Object.fromEntries(Object.keys(keys).map((kind) => [kind, kind === right ? 'good' : 'bad'])),
    );
  });
});
