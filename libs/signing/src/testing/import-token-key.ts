import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { encodeOctetString, encodeOid, oids } from '@certmill/der';
import * as ck from '../slots/pkcs11/cryptoki.js';
import {
  initialize,
  loadCryptoki,
  type Cryptoki,
  type Handle,
} from '../slots/pkcs11/load-cryptoki.js';

const CKA_PRIVATE_EXPONENT = 0x123;
const CKA_PRIME_1 = 0x124;
const CKA_PRIME_2 = 0x125;
const CKA_EXPONENT_1 = 0x126;
const CKA_EXPONENT_2 = 0x127;
const CKA_COEFFICIENT = 0x128;

const curveOids: Readonly<Record<string, string>> = {
  'P-256': oids.secp256r1,
  'P-384': oids.secp384r1,
  'P-521': oids.secp521r1,
  Ed25519: oids.id_Ed25519,
};

export interface ImportedKey {
  /** Destroys what was imported. */
  remove(): void;
}

/** Puts a key of node's and its public half into a token, through a session of this thread. */
export function importTokenKey(options: {
  readonly moduleFile: string;
  readonly tokenLabel: string;
  readonly pinFile: string;
  readonly key: KeyObject;
  readonly keyLabel: string;
  readonly keyId: Buffer;
}): ImportedKey {
  const { moduleFile, tokenLabel, pinFile, key, keyLabel, keyId } = options;
  const cryptoki = loadCryptoki(moduleFile);
  initialize(cryptoki, undefined);
  const slot = cryptoki
    .C_GetSlotList(true)
    .find((each) => cryptoki.C_GetTokenInfo(each).label.trimEnd() === tokenLabel) as Handle;
  const session = cryptoki.C_OpenSession(slot, ck.CKF_SERIAL_SESSION | ck.CKF_RW_SESSION);
  if (cryptoki.C_GetSessionInfo(session).state !== ck.CKS_RW_USER_FUNCTIONS) {
    cryptoki.C_Login(session, ck.CKU_USER, readFileSync(pinFile, 'utf8').trim());
  }
  const named = [
    { type: ck.CKA_TOKEN, value: true },
    { type: ck.CKA_LABEL, value: Buffer.from(keyLabel) },
    { type: ck.CKA_ID, value: keyId },
  ];
  const parts = partsOf(key.export({ format: 'jwk' }), key);
  const privateKey = cryptoki.C_CreateObject(session, [
    { type: ck.CKA_CLASS, value: ck.CKO_PRIVATE_KEY },
    ...[...named, ...parts.common, ...parts.private],
    ...[ck.CKA_PRIVATE, ck.CKA_SENSITIVE, ck.CKA_SIGN].map((type) => ({ type, value: true })),
  ]);
  const publicKey = cryptoki.C_CreateObject(session, [
    { type: ck.CKA_CLASS, value: ck.CKO_PUBLIC_KEY },
    ...[...named, ...parts.common, ...parts.public],
    { type: ck.CKA_VERIFY, value: true },
  ]);
  return {
    remove() {
      for (const object of [privateKey, publicKey]) cryptoki.C_DestroyObject(session, object);
      cryptoki.C_CloseSession(session);
    },
  };
}

type Template = Parameters<Cryptoki['C_CreateObject']>[1];

function partsOf(
  jwk: JsonWebKey,
  key: KeyObject,
): { readonly common: Template; readonly private: Template; readonly public: Template } {
  const of = (name: keyof JsonWebKey): Buffer => Buffer.from(jwk[name] as string, 'base64url');
  if (jwk.kty === 'RSA') {
    return {
      common: [
        { type: ck.CKA_KEY_TYPE, value: ck.CKK_RSA },
        { type: ck.CKA_MODULUS, value: of('n') },
        { type: ck.CKA_PUBLIC_EXPONENT, value: of('e') },
      ],
      private: [
        { type: CKA_PRIVATE_EXPONENT, value: of('d') },
        { type: CKA_PRIME_1, value: of('p') },
        { type: CKA_PRIME_2, value: of('q') },
        { type: CKA_EXPONENT_1, value: of('dp') },
        { type: CKA_EXPONENT_2, value: of('dq') },
        { type: CKA_COEFFICIENT, value: of('qi') },
      ],
      public: [],
    };
  }
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  const isEdwards = jwk.kty === 'OKP';
  const point = isEdwards ? of('x') : spki.subarray(spki.length - 1 - 2 * of('x').length);
  return {
    common: [
      { type: ck.CKA_KEY_TYPE, value: isEdwards ? ck.CKK_EC_EDWARDS : ck.CKK_EC },
      {
        type: ck.CKA_EC_PARAMS,
        value: Buffer.from(encodeOid(curveOids[String(jwk.crv)] ?? String(jwk.crv))),
      },
    ],
    private: [{ type: ck.CKA_VALUE, value: of('d') }],
    public: [{ type: ck.CKA_EC_POINT, value: Buffer.from(encodeOctetString(point)) }],
  };
}
