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
      placesOf: (_: string, __: unknown, limit: number) =>
        Promise.resolve([accepted.slice(0, limit).map(placeOf)]),
    },
  } as unknown as ReplacementPorts;
  const certificates = [certificateIn(own)];
  return (await replacementTest(ports, 'acme', 'order', certificates, nowMs, chunkReader))(0);
}

const standing = async (
  claims: readonly string[],
  accepted: readonly string[] = [],
): Promise<Rivals['stand']> => (await rivals('own', { claims, accepted })).stand;

describe('a certificate', () => {
  test.each([
    ['good', 'good'],
    ['held', 'not-good'],
    ['held under a fallen CA', 'not-good'],
    ['good under a fallen CA', undefined],
    ['expired', undefined],
    ['in flight', undefined],
    ['not issued', undefined],
    ['revoked', undefined],
  ])('whose claim has passed to one that is %s: what stands for it is %s', async (newer, stand) => {
    expect(await standing([newer, 'own', 'older'])).toBe(stand);
    expect(await standing([newer])).toBe(stand);
    expect(await standing([newer, 'good', 'own'])).toBe('good');
  });

  test('that holds its claim is replaced by nothing before it', async () => {
    expect(await standing(['own', 'good'])).toBeUndefined();
  });

  test('is replaced by what is in front of it and lasts, whatever is in front of that', async () => {
    expect(await standing(['in flight', 'good', 'own'])).toBe('good');
    expect(await standing(['in flight', 'not issued', 'own', 'good'])).toBeUndefined();
  });

  test('whose claim is free is replaced by a newer one of its profile that is left', async () => {
    expect(await standing([], ['revoked', 'good', 'own'])).toBe('good');
    expect(await standing([], ['revoked', 'another', 'own', 'good'])).toBeUndefined();
    expect(await standing([], ['own'])).toBeUndefined();
    const others = Array.from({ length: 300 }, () => 'another');
    expect(await standing([], [...others, 'good', 'own'])).toBe('good');
  });

  const fallen = 'good under a fallen CA';

  test('whose CA has fallen is replaced by a newer one that fell with the same, and by no other', async () => {
    const own = 'own under a fallen CA';
    const by = async (newer: string) => (await rivals(own, { claims: [newer, own] })).stand;
    expect(await by(fallen)).toBe('good');
    expect(await by("good under a sibling's fallen CA")).toBe('not-good');
    expect(await by(`${fallen} elsewhere`)).toBeUndefined();
  });

  test('displaces the holder of its claim, where that is issued and stands for nothing', async () => {
    const { batchId, index } = placeOf(fallen);
    const displaced = { batchId, index };
    expect(await rivals('own', { claims: [fallen, 'own'] })).toEqual({ displaced });
    expect(await rivals('own', { claims: [fallen] })).toEqual({ displaced });
    for (const holder of ['own', 'in flight', 'expired']) {
      expect(await rivals('own', { claims: [holder, fallen, 'own'] })).toEqual({});
    }
    expect(await rivals('own', { claims: [], accepted: [fallen] })).toEqual({});
  });
});
