import { constants, createHash, generateKeyPairSync, privateEncrypt, verify } from 'node:crypto';
import {
  CKF_SIGN,
  CKM_ECDSA,
  CKM_EDDSA,
  CKM_ML_DSA,
  CKM_RSA_PKCS,
  CKM_SHA256_RSA_PKCS,
  CKM_SHA512_RSA_PKCS,
  CKR_MECHANISM_INVALID,
} from './cryptoki.js';
import type { Cryptoki } from './load-cryptoki.js';
import { signingMethodOf } from './signing-method.js';

/** A token with these mechanisms; those of `verifyOnly` do not sign. */
function tokenWith(mechanisms: readonly number[], verifyOnly: readonly number[] = []): Cryptoki {
  return {
    C_GetMechanismInfo: (_: unknown, mechanism: number) => {
      if (mechanisms.includes(mechanism)) return { flags: CKF_SIGN | 1 };
      if (verifyOnly.includes(mechanism)) return { flags: 0x2000 };
      throw Object.assign(new Error('CKR_MECHANISM_INVALID'), { code: CKR_MECHANISM_INVALID });
    },
  } as unknown as Cryptoki;
}

const slot = Buffer.alloc(8);
const message = new TextEncoder().encode('a TBSCertificate');

describe('signingMethodOf', () => {
  it.each(['sha256', 'sha384', 'sha512'] as const)(
    'pads a DigestInfo that OpenSSL takes for RSA with %s',
    (hash) => {
      const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const method = signingMethodOf('rsa', hash, tokenWith([CKM_RSA_PKCS]), slot);
      expect(method.mechanism).toBe(CKM_RSA_PKCS);
      for (const each of [message, Buffer.from('another')]) {
        const padding = constants.RSA_PKCS1_PADDING;
        const raw = privateEncrypt({ key: privateKey, padding }, method.input(each));
        const answer = Buffer.concat([raw, Buffer.alloc(10)]);
        expect(verify(hash, each, publicKey, method.output(answer, raw.length))).toBe(true);
      }
    },
  );

  it.each([
    ['sha256', CKM_SHA256_RSA_PKCS],
    ['sha512', CKM_SHA512_RSA_PKCS],
  ] as const)('lets a token hash that signs no digests: %s', (hash, mechanism) => {
    const method = signingMethodOf('rsa', hash, tokenWith([mechanism], [CKM_RSA_PKCS]), slot);
    expect(method.mechanism).toBe(mechanism);
    expect(Buffer.compare(method.input(message), message)).toBe(0);
  });

  it.each(['sha256', 'sha384', 'sha512'] as const)('gives ECDSA the %s digest', (hash) => {
    const method = signingMethodOf('ecdsa', hash, tokenWith([CKM_ECDSA]), slot);
    expect(method.input(message)).toEqual(createHash(hash).update(message).digest());
  });

  it('gives EdDSA the message', () => {
    const method = signingMethodOf('ed25519', null, tokenWith([CKM_EDDSA]), slot);
    expect(Buffer.compare(method.input(message), message)).toBe(0);
    expect(method.output(Buffer.alloc(100, 5), 64)).toEqual(Buffer.alloc(64, 5));
  });

  it('gives ML-DSA the message, and its signature as it comes', () => {
    const method = signingMethodOf('ml-dsa', null, tokenWith([CKM_ML_DSA]), slot);
    expect(method.mechanism).toBe(CKM_ML_DSA);
    expect(Buffer.compare(method.input(message), message)).toBe(0);
    expect(method.output(Buffer.alloc(8_192, 5), 4_627)).toEqual(Buffer.alloc(4_627, 5));
  });

  it.each([
    ['ml-dsa', null, [CKM_ECDSA, CKM_EDDSA, CKM_RSA_PKCS]],
    ['ecdsa', 'sha256', [CKM_EDDSA, CKM_RSA_PKCS]],
    ['ed25519', null, [CKM_ECDSA]],
    ['rsa', 'sha384', [CKM_SHA256_RSA_PKCS]],
  ] as const)('refuses a token that cannot sign with %s keys', (kind, hash, mechanisms) => {
    expect(() => signingMethodOf(kind, hash, tokenWith(mechanisms), slot)).toThrow(
      `the token has no mechanism to sign with ${kind} keys`,
    );
  });
});
