import type {
  CertificationRequestWalk,
  KeyAlgorithm,
  MlDsaAlgorithm,
  PublicKeyWalk,
  SignatureAlgorithm,
} from '@certmill/der';
import type { Profile, ProfileKey, SignatureHash } from '@certmill/domain';
import type { Defects } from './defects.js';
import { isSmallOrderPoint } from './weak-keys/ed25519-small-order.js';
import { rsaWeaknessOf } from './weak-keys/rsa-weakness.js';

interface SignatureKind {
  readonly family: 'ec' | 'rsa' | 'ed25519' | MlDsaAlgorithm;
  /** null: Ed25519 and ML-DSA have none of their own choosing. */
  readonly hash: SignatureHash | null;
}

const signatureKinds: Partial<Record<SignatureAlgorithm, SignatureKind>> = {
  'ecdsa-sha256': { family: 'ec', hash: 'sha256' },
  'ecdsa-sha384': { family: 'ec', hash: 'sha384' },
  'ecdsa-sha512': { family: 'ec', hash: 'sha512' },
  ed25519: { family: 'ed25519', hash: null },
  'ml-dsa-44': { family: 'ml-dsa-44', hash: null },
  'ml-dsa-65': { family: 'ml-dsa-65', hash: null },
  'ml-dsa-87': { family: 'ml-dsa-87', hash: null },
  'rsa-sha256': { family: 'rsa', hash: 'sha256' },
  'rsa-sha384': { family: 'rsa', hash: 'sha384' },
  'rsa-sha512': { family: 'rsa', hash: 'sha512' },
  'rsa-pss-sha256': { family: 'rsa', hash: 'sha256' },
  'rsa-pss-sha384': { family: 'rsa', hash: 'sha384' },
  'rsa-pss-sha512': { family: 'rsa', hash: 'sha512' },
};

const keyFamilies: Partial<Record<KeyAlgorithm, SignatureKind['family']>> = {
  'ec-p256': 'ec',
  'ec-p384': 'ec',
  'ec-p521': 'ec',
  ed25519: 'ed25519',
  'ml-dsa-44': 'ml-dsa-44',
  'ml-dsa-65': 'ml-dsa-65',
  'ml-dsa-87': 'ml-dsa-87',
  rsa: 'rsa',
};

/** Why keys that no profile can accept are refused. */
const unusableKeys: Partial<Record<KeyAlgorithm, string>> = {
  'ec-explicit':
    'the EC key spells its curve out in explicit parameters, which RFC 5480 forbids: ' +
    'name the curve by its OID (OpenSSL: -pkeyopt ec_param_enc:named_curve)',
  'ec-compressed':
    'the EC point is compressed: encode it uncompressed ' +
    '(OpenSSL: -pkeyopt point_conversion_form:uncompressed)',
  'ec-unsupported-curve': 'the EC key is on another curve than P-256, P-384 and P-521',
  'point-invalid': 'the public key has not the length and form that its curve requires',
  'ml-dsa-invalid': 'the ML-DSA key has not the length of its parameter set (FIPS 204 4)',
  unsupported: 'the key is neither RSA (rsaEncryption), nor EC, nor Ed25519, nor ML-DSA',
};

/**
 * The key against the profile's list: KEY_ALGORITHM_FORBIDDEN. Returns whether it is on it, which
 * bounds the cost of everything that follows.
 */
export function checkKeyAlgorithm(
  walk: PublicKeyWalk,
  keys: readonly ProfileKey[],
  defects: Defects,
): boolean {
  for (const key of keys) {
    if (key.type !== walk.keyAlgorithm) continue;
    if (key.type !== 'rsa') return true;
    if (walk.modulusBits >= key.minBits && walk.modulusBits <= key.maxBits) return true;
  }
  const reason = unusableKeys[walk.keyAlgorithm] ?? `the key is ${keyName(walk)}`;
  const accepted = keys.map(acceptedName).join(', ');
  defects.add('KEY_ALGORITHM_FORBIDDEN', `${reason}; the profile accepts ${accepted}`);
  return false;
}

function keyName(walk: PublicKeyWalk): string {
  return walk.keyAlgorithm === 'rsa'
    ? `rsa with ${walk.modulusBits.toString()} bits`
    : walk.keyAlgorithm;
}

function acceptedName(key: ProfileKey): string {
  return key.type === 'rsa'
    ? `rsa with ${key.minBits.toString()} to ${key.maxBits.toString()} bits`
    : key.type;
}

/**
 * The signature algorithm against the profile's hashes and the key: CSR_SIGALG_FORBIDDEN. SHA-1, MD5
 * and everything that is not in the table above are refused whatever the profile says.
 */
export function checkSignatureAlgorithm(
  walk: CertificationRequestWalk,
  profile: Profile,
  defects: Defects,
): void {
  const kind = signatureKinds[walk.signatureAlgorithm];
  if (kind === undefined) {
    defects.add(
      'CSR_SIGALG_FORBIDDEN',
      `the request is signed with ${signatureName(walk.signatureAlgorithm)}; ` +
        `use one of ${profile.signatureHashes.join(', ')}`,
    );
    return;
  }
  const family = keyFamilies[walk.keyAlgorithm];
  if (family !== undefined && family !== kind.family) {
    defects.add(
      'CSR_SIGALG_FORBIDDEN',
      `the request is signed with ${walk.signatureAlgorithm}, ` +
        `which does not fit its key (${walk.keyAlgorithm})`,
    );
    return;
  }
  if (kind.hash !== null && !profile.signatureHashes.includes(kind.hash)) {
    defects.add(
      'CSR_SIGALG_FORBIDDEN',
      `the request is signed with ${walk.signatureAlgorithm}; ` +
        `the profile accepts ${profile.signatureHashes.join(', ')}`,
    );
  }
}

function signatureName(algorithm: SignatureAlgorithm): string {
  return algorithm === 'unsupported' ? 'an algorithm that is not supported' : algorithm;
}

/**
 * Weak keys by structure: KEY_COMPROMISED. For EC keys there is nothing to do here: whether the point
 * is on its curve comes out when OpenSSL imports the key for the proof of possession. ML-DSA keys have
 * no weakness that shows: any octets of the right number are one (FIPS 204 7.2).
 */
export function checkWeakKey(bytes: Uint8Array, walk: PublicKeyWalk, defects: Defects): void {
  if (walk.keyAlgorithm === 'rsa') {
    const weakness = rsaWeaknessOf(bytes, walk);
    if (weakness !== undefined) defects.add('KEY_COMPROMISED', weakness);
  } else if (walk.keyAlgorithm === 'ed25519' && isSmallOrderPoint(bytes, walk.pointStart)) {
    defects.add('KEY_COMPROMISED', 'the Ed25519 key is a point of small order');
  }
}
