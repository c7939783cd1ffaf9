import { encodeOid, oids } from '@certmill/der';
import { CertmillError, type NewCaKeyType } from '@certmill/domain';
import {
  CKA_ALWAYS_SENSITIVE,
  CKA_CLASS,
  CKA_EC_PARAMS,
  CKA_EXTRACTABLE,
  CKA_ID,
  CKA_LABEL,
  CKA_LOCAL,
  CKA_MODULUS_BITS,
  CKA_NEVER_EXTRACTABLE,
  CKA_PARAMETER_SET,
  CKA_PRIVATE,
  CKA_PUBLIC_EXPONENT,
  CKA_SENSITIVE,
  CKA_SIGN,
  CKA_TOKEN,
  CKA_VERIFY,
  CKF_RW_SESSION,
  CKF_SERIAL_SESSION,
  CKM_EC_EDWARDS_KEY_PAIR_GEN,
  CKM_EC_KEY_PAIR_GEN,
  CKM_ML_DSA_KEY_PAIR_GEN,
  CKM_RSA_PKCS_KEY_PAIR_GEN,
  CKO_PRIVATE_KEY,
} from './cryptoki.js';
import { type Cryptoki, type Handle, initialize, loadCryptoki } from './load-cryptoki.js';
import { faultOf } from './pkcs11-fault.js';
import { closeSession, openTokenSession } from './token-session.js';

export interface NewTokenKey {
  readonly moduleFile: string;
  readonly tokenLabel: string;
  /** The user PIN; MUST be readable by its owner only. */
  readonly pinFile: string;
  readonly keyLabel: string;
  /** CKA_ID: a key of this label and id is the one that was asked for before. */
  readonly keyId: Uint8Array;
  readonly keyType: NewCaKeyType;
}

/**
 * Makes a key pair inside a token, where the private key stays: private, sensitive and not extractable,
 * which the token is asked to confirm. Repeating it is success. Works in the calling thread, which
 * hangs while the module does. Faults: CONFLICT where the label is another key's, CONFIG_INVALID where
 * the token cannot make such a key or does not protect it, and as a slot's when it is opened.
 */
export function generateTokenKey(wanted: NewTokenKey): void {
  const { moduleFile, tokenLabel, pinFile } = wanted;
  const cryptoki = loadCryptoki(moduleFile);
  try {
    initialize(cryptoki, undefined);
    const login = { tokenLabel, pinFile, latch: undefined };
    const { session } = openTokenSession(cryptoki, login, CKF_SERIAL_SESSION | CKF_RW_SESSION);
    try {
      if (!isThere(cryptoki, session, wanted)) generate(cryptoki, session, wanted);
    } finally {
      closeSession(cryptoki, session);
    }
  } catch (error) {
    throw faultOf(error, tokenLabel);
  }
}

type Template = Parameters<Cryptoki['C_GenerateKeyPair']>[2];

function isThere(cryptoki: Cryptoki, session: Handle, wanted: NewTokenKey): boolean {
  const { tokenLabel, keyLabel, keyId } = wanted;
  cryptoki.C_FindObjectsInit(session, [
    { type: CKA_CLASS, value: CKO_PRIVATE_KEY },
    { type: CKA_LABEL, value: Buffer.from(keyLabel) },
  ]);
  let found: Handle[];
  try {
    found = cryptoki.C_FindObjects(session, 2);
  } finally {
    cryptoki.C_FindObjectsFinal(session);
  }
  const [key, another] = found;
  if (key === undefined) return false;
  const [id] = cryptoki.C_GetAttributeValue(session, key, [{ type: CKA_ID }]);
  if (another === undefined && Buffer.compare(id?.value ?? Buffer.alloc(0), keyId) === 0) {
    assertProtected(cryptoki, session, key, wanted);
    return true;
  }
  throw new CertmillError(
    'CONFLICT',
    `token ${tokenLabel} has another private key with the label ${keyLabel}: choose another label`,
  );
}

function generate(cryptoki: Cryptoki, session: Handle, wanted: NewTokenKey): void {
  const { mechanism, parameters } = generationOf(wanted.keyType);
  const named = [
    { type: CKA_TOKEN, value: true },
    { type: CKA_LABEL, value: Buffer.from(wanted.keyLabel) },
    { type: CKA_ID, value: Buffer.from(wanted.keyId) },
  ];
  const { privateKey, publicKey } = cryptoki.C_GenerateKeyPair(
    session,
    { mechanism },
    [...named, { type: CKA_VERIFY, value: true }, ...parameters],
    [
      ...named,
      { type: CKA_PRIVATE, value: true },
      { type: CKA_SENSITIVE, value: true },
      { type: CKA_EXTRACTABLE, value: false },
      { type: CKA_SIGN, value: true },
    ],
  );
  try {
    assertProtected(cryptoki, session, privateKey, wanted);
  } catch (error) {
    for (const object of [privateKey, publicKey]) cryptoki.C_DestroyObject(session, object);
    throw error;
  }
}

const curves: Readonly<Record<'ec-p256' | 'ec-p384' | 'ec-p521', string>> = {
  'ec-p256': oids.secp256r1,
  'ec-p384': oids.secp384r1,
  'ec-p521': oids.secp521r1,
};
/** CK_ML_DSA_PARAMETER_SET_TYPE (PKCS#11 3.2). */
const parameterSets = { 'ml-dsa-44': 1, 'ml-dsa-65': 2, 'ml-dsa-87': 3 } as const;

function generationOf(keyType: NewCaKeyType): {
  readonly mechanism: number;
  readonly parameters: Template;
} {
  switch (keyType) {
    case 'rsa-3072':
    case 'rsa-4096':
      return {
        mechanism: CKM_RSA_PKCS_KEY_PAIR_GEN,
        parameters: [
          { type: CKA_MODULUS_BITS, value: Number(keyType.slice(4)) },
          { type: CKA_PUBLIC_EXPONENT, value: Buffer.from([1, 0, 1]) },
        ],
      };
    case 'ml-dsa-44':
    case 'ml-dsa-65':
    case 'ml-dsa-87':
      return {
        mechanism: CKM_ML_DSA_KEY_PAIR_GEN,
        parameters: [{ type: CKA_PARAMETER_SET, value: parameterSets[keyType] }],
      };
    case 'ed25519':
      return {
        mechanism: CKM_EC_EDWARDS_KEY_PAIR_GEN,
        parameters: [{ type: CKA_EC_PARAMS, value: Buffer.from(encodeOid(oids.id_Ed25519)) }],
      };
    case 'ec-p256':
    case 'ec-p384':
    case 'ec-p521':
      return {
        mechanism: CKM_EC_KEY_PAIR_GEN,
        parameters: [{ type: CKA_EC_PARAMS, value: Buffer.from(encodeOid(curves[keyType])) }],
      };
  }
}

/** What the token itself says: the key was made in it, and never was or will be outside. */
function assertProtected(
  cryptoki: Cryptoki,
  session: Handle,
  key: Handle,
  { tokenLabel, keyLabel }: NewTokenKey,
): void {
  const required = [CKA_LOCAL, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE];
  const values = cryptoki.C_GetAttributeValue(
    session,
    key,
    required.map((type) => ({ type })),
  );
  if (values.every(({ value }) => Buffer.isBuffer(value) && value[0] === 1)) return;
  throw new CertmillError(
    'CONFIG_INVALID',
    `token ${tokenLabel} does not say that the key ${keyLabel} was made in it and can never leave it`,
  );
}
