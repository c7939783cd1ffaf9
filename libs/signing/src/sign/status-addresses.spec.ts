import 'reflect-metadata';
import { rmSync } from 'node:fs';
import * as x509 from '@peculiar/x509';
import {
  canonicalProfile,
  crlShardOf,
  profileHash,
  type Profile,
  type StatusAddresses,
} from '@certmill/domain';
import { aChunk, tlsClient } from '../testing/a-chunk.js';
import { anIssuer, asSigningIssuer, type TestIssuer } from '../testing/an-issuer.js';
import { openSigningPools } from './open-signing-pools.js';

const profile: Profile = {
  ...tlsClient,
  extensions: {
    ...tlsClient.extensions,
    crlDistributionPoints: { from: 'issuer' },
    authorityInfoAccess: { from: 'issuer' },
  },
};
const text = canonicalProfile(profile);
const batchId = '0123456789abcdef0123456789';

describe('certificates of a profile that takes its status addresses from the issuer', () => {
  let issuer: TestIssuer;

  beforeAll(() => {
    issuer = anIssuer();
  });
  afterAll(() => {
    rmSync(issuer.directory, { recursive: true });
  });

  async function issue(
    firstIndex: number,
    count: number,
    status?: StatusAddresses,
  ): Promise<x509.X509Certificate[]> {
    const pools = await openSigningPools({
      openTimeoutMs: 60_000,
      issuers: [{ ...asSigningIssuer(issuer), ...(status === undefined ? {} : { status }) }],
      profiles: () => text,
      serialKeys: [{ id: 1, key: Buffer.from('00112233445566778899aabbccddeeff', 'hex') }],
      threadsPerSlot: 1,
      lanes: ['bulk'],
    });
    try {
      const { received, verdict } = aChunk({
        count,
        received: { profileHash: profileHash(profile), batchId, firstIndex },
      });
      const signed = await pools.sign(received, verdict, 'bulk');
      let at = 0;
      return signed.certificateLengths.map((length) => {
        at += length;
        return new x509.X509Certificate(signed.certificatesDer.slice(at - length, at));
      });
    } finally {
      await pools.stop(1_000);
    }
  }

  function crlUrisOf(certificate: x509.X509Certificate): string[] {
    const points = certificate.getExtension(x509.CRLDistributionPointsExtension);
    return (points?.distributionPoints ?? []).flatMap(({ distributionPoint }) =>
      (distributionPoint?.fullName ?? []).map((name) => name.uniformResourceIdentifier ?? ''),
    );
  }

  it('name the CRL of the shard of their request, across a border of shards too', async () => {
    const status = { baseUri: 'http://pki.example/status', crlShards: 64 };
    const certificates = await issue(1_022, 4, status);
    const shards = [1_022, 1_023, 1_024, 1_025].map((index) => crlShardOf(batchId, index, 64));
    expect(new Set(shards).size).toBe(2);
    expect(certificates.map(crlUrisOf)).toEqual(
      shards.map((shard) => [`http://pki.example/status/crl/device-ca/${String(shard)}.crl`]),
    );
    const access = certificates[0]?.getExtension(x509.AuthorityInfoAccessExtension);
    expect(access?.ocsp.map(({ value }) => value)).toEqual(['http://pki.example/status/ocsp']);
    expect(access?.caIssuers.map(({ value }) => value)).toEqual([
      'http://pki.example/status/ca/device-ca.cer',
    ]);
  });

  it('name the one CRL of an issuer without shards', async () => {
    const [certificate] = await issue(70_000, 1, { baseUri: 'http://p.example', crlShards: 0 });
    expect(crlUrisOf(certificate!)).toEqual(['http://p.example/crl/device-ca/0.crl']);
  });

  it('have neither extension where the issuer has no addresses', async () => {
    const [certificate] = await issue(0, 1);
    expect(certificate!.getExtension(x509.CRLDistributionPointsExtension)).toBeNull();
    expect(certificate!.getExtension(x509.AuthorityInfoAccessExtension)).toBeNull();
  });
});
