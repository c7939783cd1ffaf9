/** Key types that a new CA is made with, in a file or in a token: what is imported may have other RSA keys. */
export const newCaKeyTypes = [
  'ec-p256',
  'ec-p384',
  'ec-p521',
  'rsa-3072',
  'rsa-4096',
  'ed25519',
  'ml-dsa-44',
  'ml-dsa-65',
  'ml-dsa-87',
] as const;
export type NewCaKeyType = (typeof newCaKeyTypes)[number];

/** Of any RSA key, issuer's or device's (NIST SP 800-131A Rev. 2, 3). */
export const leastRsaBits = 2_048;
