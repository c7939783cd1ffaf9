import { replacementTest, type ReplacementPorts, type Rivals } from './replacement-test.js';
import {
  certificateIn,
  chunkReader,
  nowMs,
  placeOf,
  standingPorts,
} from './testing/devices-certificates.js';

interface Device {
  /** Newest first. */
  readonly claims: readonly string[];
  readonly accepted?: readonly string[];
}

async function rivals(own: string, { claims, accepted = [] }: Device): Promise<Rivals> {
  const ports = {
    ...standingPorts,
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
      ...standingPorts.certificates,
      claimsOf: (_: string, profileName: string) => {
        expect(profileName).toBe('idevid');
        return Promise.resolve([claims.map(placeOf)]);
      },
      placesOf: () => Promise.resolve([accepted.map(placeOf)]),
    },
  } as unknown as ReplacementPorts;
  const certificates = [certificateIn(own)];
  return (await replacementTest(ports, 'acme', 'order', certificates, nowMs, chunkReader))(0);
}

const isReplaced = async (
  claims: readonly string[],
  accepted: readonly string[] = [],
): Promise<boolean> => (await rivals('own', { claims, accepted })).stand;

describe('a certificate', () => {
  test.each([
    ['good', true],
    ['held', true],
    ['held under a fallen CA', true],
    ['good under a fallen CA', false],
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

  const fallen = 'good under a fallen CA';

  test('whose CA has fallen is replaced by a newer one that fell with the same, and by no other', async () => {
    const own = 'own under a fallen CA';
    expect((await rivals(own, { claims: [fallen, own] })).stand).toBe(true);
    expect((await rivals(own, { claims: [`${fallen} elsewhere`, own] })).stand).toBe(false);
  });

  test('displaces the holder of its claim, where that is issued and stands for nothing', async () => {
    const { batchId, index } = placeOf(fallen);
    const displaced = { batchId, index };
    expect(await rivals('own', { claims: [fallen, 'own'] })).toEqual({ stand: false, displaced });
    expect(await rivals('own', { claims: [fallen] })).toEqual({ stand: false, displaced });
    for (const holder of ['own', 'in flight', 'expired']) {
      expect(await rivals('own', { claims: [holder, fallen, 'own'] })).toEqual({ stand: false });
    }
    expect(await rivals('own', { claims: [], accepted: [fallen] })).toEqual({ stand: false });
  });
});
