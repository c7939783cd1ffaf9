import { rmSync } from 'node:fs';
import { encodeOid, encodeSequence, encodeSetOf, encodeTlv, oids, tags } from '@certmill/der';
import { canonicalProfile, profileHash, type Profile } from '@certmill/domain';
import { builtInProfiles } from '@certmill/domain/profile-files';
import { aChunk, tlsClient } from '../testing/a-chunk.js';
import { anIssuer, asSigningIssuer } from '../testing/an-issuer.js';
import { openSigningPools } from './open-signing-pools.js';

/** The test issuer has an end. */
const profile: Profile = {
  ...builtInProfiles().get('matter-dac')!,
  validity: tlsClient.validity,
};

function named(...attributes: readonly (readonly [oid: string, value: string])[]): Uint8Array {
  return encodeSequence(
    ...attributes.map(([oid, value]) =>
      encodeSetOf(encodeSequence(encodeOid(oid), encodeTlv(tags.utf8String, Buffer.from(value)))),
    ),
  );
}

/** Signs for a device of vendor FFF1 and product 8000 that validate has let through. */
async function signed(issuerSubjectDer: Uint8Array, ofProfile = profile): Promise<number> {
  const issuer = anIssuer('P-256', 'device-ca', issuerSubjectDer);
  const pools = await openSigningPools({
    openTimeoutMs: 60_000,
    issuers: [asSigningIssuer(issuer)],
    profiles: () => canonicalProfile(ofProfile),
    serialKeys: [{ id: 1, key: Buffer.from('00112233445566778899aabbccddeeff', 'hex') }],
    threadsPerSlot: 1,
    lanes: ['bulk'],
  });
  try {
    const values = ['dac-1', 'FFF1', '8000'].map((value) => Buffer.from(value));
    const { received, verdict } = aChunk({
      count: 1,
      received: { profileHash: profileHash(ofProfile) },
      verdict: { valuesPerRequest: 3, values },
    });
    return (await pools.sign(received, verdict, 'bulk')).certificateLengths.length;
  } finally {
    await pools.stop(1_000);
    rmSync(issuer.directory, { recursive: true });
  }
}

describe('an attestation certificate of Matter', () => {
  it.each([
    ['its vendor', named([oids.matter_at_vendorId, 'FFF1'])],
    ['its product', named([oids.matter_at_vendorId, 'FFF1'], [oids.matter_at_productId, '8000'])],
    ['its vendor in a commonName', named([oids.id_at_commonName, 'PAI Mvid:FFF1'])],
  ])('is signed under an issuer of %s', async (_, subjectDer) => {
    expect(await signed(subjectDer)).toBe(1);
  });

  it.each([
    ['another vendor', named([oids.matter_at_vendorId, 'FFF2']), 'FFF1 is not that of the issuer'],
    [
      'another product',
      named([oids.matter_at_vendorId, 'FFF1'], [oids.matter_at_productId, '8001']),
      'the product id 8000 is not that of the issuer, 8001',
    ],
    ['no vendor', named([oids.id_at_commonName, 'Plain CA']), 'has no vendor id'],
  ])('is never signed under an issuer of %s, whatever validate says', async (_, name, reason) => {
    await expect(signed(name)).rejects.toMatchObject({
      code: 'FAULT_LINT_FAILED',
      message: expect.stringContaining(reason) as string,
    });
  });
});

it('a certificate of another kind is never signed under an issuer with a vendor', async () => {
  const other: { -readonly [Key in keyof Profile]: Profile[Key] } = { ...profile };
  delete other.conformsTo;
  await expect(signed(named([oids.matter_at_vendorId, 'FFF1']), other)).rejects.toMatchObject({
    code: 'FAULT_LINT_FAILED',
    message: expect.stringContaining('has a vendor id') as string,
  });
});
