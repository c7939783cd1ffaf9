import {
  leastRequestsPerChunk,
  maxChunkBytes,
  maxDeviceIdBytes,
  maxRecordBytes,
  profileSlots,
  requestBounds,
  type Profile,
} from '@certmill/domain';
import { builtInProfiles, parseProfile } from '@certmill/domain/profile-files';
import { encodeIssuedChunk, encodeReceivedChunk, encodeVerdict } from '@certmill/events';
import { createHops, hopKeysOf } from '@certmill/pipeline';
import { aSampleIssuer, sampleNowMs } from '../testing/sample-issuer.js';
import { admitProfile } from './admit-profile.js';
import { requestsPerChunk } from './chunk-bound.js';
import { largestCertificateBytes, type SampleIssuer } from './sample-certificates.js';

const issuer = aSampleIssuer();
const mlDsaIssuer = aSampleIssuer({ keyType: 'ml-dsa-87', signatureAlgorithm: 'ml-dsa-87' });
const largeIssuer = aSampleIssuer({ keyType: 'rsa-4096', signatureAlgorithm: 'rsa-sha256' });

/** One fixed extension of so many octets. */
function withExtension(octets: number, key = 'ec-p256'): Profile {
  return parseProfile(
    `
name: large
version: 1
description: A fixed extension of some length.
keys: [${key}]
signatureHashes: [sha256]
validity: { lifetime: 1y }
subject:
  - { type: commonName, from: [deviceId] }
extensions:
  basicConstraints: { critical: true }
  keyUsage: { bits: [digitalSignature], critical: true }
  subjectKeyIdentifier: sha1
  authorityKeyIdentifier: true
  custom:
    - { oid: 1.3.6.1.4.1.37244.9, critical: false, valueDerHex: '0482${octets.toString(16).padStart(4, '0')}${'00'.repeat(octets)}' }
csr: { otherSubjectAttributes: ignore, ignoredExtensions: [] }
`,
    'large.yaml',
  );
}

/** The octets of an issued record of so many requests, each of the most that the profile lets it have. */
async function largestRecord(
  profile: Profile,
  of: SampleIssuer,
  count: number,
  valueBytes: number,
): Promise<number> {
  const slots = profileSlots(profile).map(({ value }) => (value.maxLength ?? 0) * valueBytes);
  const certificate = await largestCertificateBytes(profile, of, slots, sampleNowMs);
  const deviceIds = Array<string>(count).fill('d'.repeat(maxDeviceIdBytes));
  const chunk = {
    requestsDer: new Uint8Array(maxChunkBytes),
    requestLengths: [maxChunkBytes - count + 1, ...Array<number>(count - 1).fill(1)],
    deviceIds,
    sources: Array<string>(count).fill('s'.repeat(requestBounds.source)),
    rejections: Array<number>(count).fill(0),
    rejectionDetails: Array<string>(count).fill(''),
    digest: new Uint8Array(32),
    tenant: 't'.repeat(63),
    orderId: 'o'.repeat(63),
    batchId: 'f'.repeat(26),
    chunkNumber: 65_535,
    firstIndex: 0,
    lane: 'bulk' as const,
    receivedAtMs: sampleNowMs,
    signBeforeMs: sampleNowMs,
    profileHash: 'ab'.repeat(32),
    issuer: 'i'.repeat(63),
    serialKeyId: 127,
  };
  const verdict = encodeVerdict({
    codes: Array<number>(count).fill(0),
    details: Array<string>(count).fill(''),
    deviceIds,
    udids: new Uint8Array(count * 32),
    valuesPerRequest: slots.length,
    values: Array.from({ length: count }, () => slots.map((bytes) => new Uint8Array(bytes))).flat(),
  });
  const segment = encodeIssuedChunk({
    received: encodeReceivedChunk(chunk),
    verdict,
    certificatesDer: new Uint8Array(count * certificate),
    certificateLengths: Array<number>(count).fill(certificate),
    endedBy: 0,
    endedDetail: '',
  });
  const hops = createHops(hopKeysOf(new Uint8Array(32)), { nowMs: () => 0 });
  const [, record] = hops.issued.seal(chunk, segment);
  return record.value.length + 2 * Object.entries(record.headers).join().length + 1_024;
}

/** Keys and signatures of ML-DSA are kilobytes. */
function isClassical({ keys }: Profile): boolean {
  return !keys.some(({ type }) => type.startsWith('ml-dsa'));
}

describe('the number of requests that share a chunk', () => {
  it('is nearly the greatest for device certificates of usual size', async () => {
    const counts = await Promise.all(
      [...builtInProfiles().values()].filter(isClassical).map(async (profile) => {
        return [profile.name, await requestsPerChunk(profile, issuer, sampleNowMs)];
      }),
    );
    expect(counts.filter(([, count]) => Number(count) < 900)).toEqual([]);
  });

  it.each([0, 1_000, 3_000, 7_000])(
    'leaves a record within its limit: a fixed extension of %d octets',
    async (octets) => {
      const profile = withExtension(octets);
      for (const of of [issuer, largeIssuer]) {
        const count = await requestsPerChunk(profile, of, sampleNowMs);
        expect(await largestRecord(profile, of, count, 4)).toBeLessThan(maxRecordBytes);
      }
    },
  );

  it.each(['ec-p256', 'ml-dsa-44', 'ml-dsa-65', 'ml-dsa-87'])(
    'leaves a record of %s keys under an ML-DSA-87 issuer within its limit',
    async (key) => {
      const profile = withExtension(256, key);
      await expect(admitProfile(profile, mlDsaIssuer, sampleNowMs)).resolves.not.toEqual([]);
      const count = await requestsPerChunk(profile, mlDsaIssuer, sampleNowMs);
      expect(count).toBeGreaterThanOrEqual(leastRequestsPerChunk);
      expect(await largestRecord(profile, mlDsaIssuer, count, 4)).toBeLessThan(maxRecordBytes);
    },
  );

  it('refuses what a certificate with ML-DSA-87 twice has no room for, with the octets', async () => {
    const admitting = admitProfile(withExtension(1_024, 'ml-dsa-87'), mlDsaIssuer, sampleNowMs);
    await expect(admitting).rejects.toMatchObject({ code: 'PROFILE_INVALID' });
    await expect(admitting).rejects.toThrow(/a certificate may have 8\d\d\d octets/);
  });

  it('falls with the size of a certificate, to no less than every admitted profile has', async () => {
    const counts = await Promise.all(
      [0, 1_500, 3_000, 7_000].map((octets) =>
        requestsPerChunk(withExtension(octets), issuer, sampleNowMs),
      ),
    );
    expect(counts[0]).toBe(1_024);
    expect(counts).toEqual([...counts].sort((a, b) => b - a));
    expect(counts.at(-1)).toBeGreaterThanOrEqual(256);
    expect(counts.at(-1)).toBeLessThan(300);
  });
});
