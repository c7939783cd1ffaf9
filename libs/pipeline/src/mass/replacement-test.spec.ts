import type { CertificateStatus, ChunkRef } from '@certmill/domain';
import type { RequestPlace } from '@certmill/ports';
import type { IssuedCertificate } from '../revoke/read-certificates.js';
import { replacementTest, type ReplacementPorts } from './replacement-test.js';
import type { StoredCertificate } from './stored-certificate.js';

const nowMs = 1_000_000;
/** Each request is alone in its batch, which is named after what became of it. */
const place = (batchId: string): RequestPlace => ({ batchId, chunkNumber: 0, index: 0 });
const statuses: Readonly<Record<string, CertificateStatus>> = {
  revoked: { state: 'revoked', reason: 'superseded', atMs: 1 },
  held: { state: 'revoked', reason: 'certificateHold', atMs: 1 },
};
const own = { ...place('own'), tenant: 'acme', deviceId: 'a', udid: new Uint8Array(32) };

function isReplaced(list: readonly string[], accepted: readonly string[] = []): Promise<boolean> {
  const ports = {
    orders: {
      getOrder: (_: string, orderId: string) => {
        return Promise.resolve({ profileName: orderId === 'another' ? 'ldevid' : 'idevid' });
      },
    },
    batches: {
      getBatch: (_: string, batchId: string) => {
        return Promise.resolve({ orderId: batchId.startsWith('another') ? 'another' : 'order' });
      },
    },
    certificates: {
      claimsOf: (_: string, profileName: string) => {
        expect(profileName).toBe('idevid');
        return Promise.resolve([list.map(place)]);
      },
      placesOf: () => Promise.resolve([accepted.map(place)]),
      listStatuses: (_: string, batchId: string) => {
        const status = statuses[batchId];
        return Promise.resolve(new Map(status === undefined ? [] : [[0, status]]));
      },
    },
  } as unknown as ReplacementPorts;
  const reader = {
    ofChunk({ batchId }: ChunkRef) {
      if (batchId === 'in flight') return Promise.resolve(undefined);
      const notAfterMs = batchId === 'expired' ? nowMs - 1_000 : nowMs;
      const issued = { ...place(batchId), tenant: 'acme', notAfterMs } as IssuedCertificate;
      return Promise.resolve(batchId === 'not issued' ? [] : [issued]);
    },
  };
  const certificates = [own as unknown as StoredCertificate];
  return replacementTest(ports, 'acme', 'order', certificates, nowMs, reader).then((test) =>
    test(0),
  );
}

describe('a certificate', () => {
  test.each([
    ['good', true],
    ['held', true],
    ['expired', false],
    ['in flight', false],
    ['not issued', false],
    ['revoked', false],
  ])('whose claim has passed to one that is %s: replaced is %s', async (newer, expected) => {
    expect(await isReplaced([newer, 'own', 'older'])).toBe(expected);
    expect(await isReplaced([newer])).toBe(expected);
  });

  test('that holds its claim is replaced by nothing before it', async () => {
    expect(await isReplaced(['own', 'good'])).toBe(false);
  });

  test('is replaced by what is in front of it and lasts, whatever is in front of that', async () => {
    expect(await isReplaced(['in flight', 'good', 'own'])).toBe(true);
    expect(await isReplaced(['in flight', 'not issued', 'own', 'good'])).toBe(false);
  });

  test('whose claim is free is replaced by a newer one of its profile that is left', async () => {
    expect(await isReplaced([], ['revoked', 'good', 'own'])).toBe(true);
    expect(await isReplaced([], ['revoked', 'another', 'own', 'good'])).toBe(false);
    expect(await isReplaced([], ['own'])).toBe(false);
  });
});
