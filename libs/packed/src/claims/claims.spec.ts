import { Claims, type ClaimMap, type RequestIndex } from './claims.js';
import { obstacleDetail } from './obstacle-detail.js';
import { RequestKeys, requestKeysBytes, udidIdAt, udidKeyAt } from './request-keys.js';

const keys = new RequestKeys(new Uint8Array(32).fill(1));
const scope = { tenant: 'acme', profileName: 'idevid' };

/** The keys of a device under a key, each named by a letter. */
function keysOf(device: string, key: string, profileName = scope.profileName): Buffer {
  const into = Buffer.alloc(requestKeysBytes);
  keys.within({ ...scope, profileName })(device, udidIdAt(Buffer.alloc(32, key), 0), into, 0);
  return into;
}

const keyAt = (from: Uint8Array, offset: number): string =>
  Buffer.from(from.subarray(offset, offset + 16)).toString('hex');

function inMemory(): Claims {
  const values = new Map<string, { high: number; low: number }>();
  const lists = new Map<string, { high: number; low: number }[]>();
  const map: ClaimMap = {
    get(from, offset, into) {
      Object.assign(into, values.get(keyAt(from, offset)) ?? { high: 0, low: 0 });
      return into.high !== 0 || into.low !== 0;
    },
    put(from, offset, high, low) {
      values.set(keyAt(from, offset), { high, low });
    },
  };
  const index: RequestIndex = {
    lookUp: (from, offset, limit) =>
      (lists.get(keyAt(from, offset)) ?? []).slice(-limit).toReversed(),
    put(from, offset, high, low) {
      const list = lists.get(keyAt(from, offset)) ?? [];
      list.push({ high, low });
      lists.set(keyAt(from, offset), list);
    },
  };
  return new Claims(map, index);
}

const first = { seq: 1, index: 0 };
const second = { seq: 0xff_ffff_ffff, index: 0xff_ffff };
const third = { seq: 3, index: 7 };

describe('claims', () => {
  let claims: Claims;
  beforeEach(() => {
    claims = inMemory();
    claims.take(keysOf('a', 'k'), 0, first);
  });

  test('name who holds a device; its own claim is no obstacle', () => {
    expect(claims.obstacleOf(keysOf('a', 'k'), 0, first)).toBeUndefined();
    expect(claims.obstacleOf(keysOf('a', 'l'), 0, second)).toEqual({
      kind: 'device-claimed',
      holder: first,
    });
    expect(claims.obstacleOf(keysOf('a', 'k', 'ldevid'), 0, second)).toBeUndefined();
  });

  test('name who holds a key of another device, the newest first, through 64 bits', () => {
    claims.take(keysOf('a', 'k', 'ldevid'), 0, second);
    expect(claims.obstacleOf(keysOf('b', 'k'), 0, third)).toEqual({
      kind: 'key-of-another-device',
      holders: [second, first],
    });
    expect(claims.requestsOf(keysOf('b', 'k'), udidKeyAt, 1)).toEqual([second]);
  });

  test('with a key that is blocked are in reach of nobody, whatever is decided or given back', () => {
    expect(claims.blockKey(keysOf('a', 'k'), 0)).toBe(true);
    expect(claims.blockKey(keysOf('b', 'k'), 0)).toBe(false);
    for (const device of ['a', 'b']) {
      const obstacle = claims.obstacleOf(keysOf(device, 'k', 'ldevid'), 0, second);
      expect(obstacle).toEqual({ kind: 'key-compromised' });
      expect(obstacleDetail(obstacle!, device)).toContain('compromised');
    }
    claims.take(keysOf('a', 'k', 'ldevid'), 0, second);
    expect(claims.release(keysOf('a', 'k', 'ldevid'), 0, second)).toBe(true);
    expect(claims.release(keysOf('a', 'k'), 0, first)).toBe(true);
    expect(claims.isKeyBlocked(keysOf('c', 'k'), 0)).toBe(true);
    expect(claims.isKeyBlocked(keysOf('a', 'l'), 0)).toBe(false);
    expect(claims.obstacleOf(keysOf('a', 'l'), 0, third)).toBeUndefined();
  });

  test('are given back by their holder alone, and once', () => {
    claims.take(keysOf('a', 'k', 'ldevid'), 0, second);
    expect(claims.release(keysOf('a', 'k'), 0, third)).toBe(false);
    expect(claims.release(keysOf('a', 'k'), 0, first)).toBe(true);
    expect(claims.release(keysOf('a', 'k'), 0, first)).toBe(false);
    // The other profile's request still holds the key.
    expect(claims.obstacleOf(keysOf('b', 'k'), 0, third)?.kind).toBe('key-of-another-device');
    expect(claims.release(keysOf('a', 'k', 'ldevid'), 0, second)).toBe(true);
    expect(claims.obstacleOf(keysOf('b', 'k'), 0, third)).toBeUndefined();
  });

  test('that are revoked leave the key bound', () => {
    expect(claims.releaseClaim(keysOf('a', 'k'), 0, third)).toBe(false);
    expect(claims.releaseClaim(keysOf('a', 'k'), 0, first)).toBe(true);
    expect(claims.obstacleOf(keysOf('a', 'k'), 0, third)).toBeUndefined();
    expect(claims.obstacleOf(keysOf('b', 'k'), 0, third)?.kind).toBe('key-of-another-device');
  });

  describe('that a renewal took over', () => {
    const free = (request = third) => claims.obstacleOf(keysOf('a', 'k'), 0, request);
    const heldBy = (holder: typeof first) => ({ kind: 'device-claimed', holder });

    beforeEach(() => {
      claims.take(keysOf('a', 'l'), 0, second, { isRenewal: true });
      expect(free()).toEqual(heldBy(second));
    });

    test('come back when it is given back, and its key is free', () => {
      expect(claims.release(keysOf('a', 'l'), 0, second)).toBe(true);
      expect(free()).toEqual(heldBy(first));
      expect(claims.release(keysOf('a', 'l'), 0, second)).toBe(false);
      expect(free()).toEqual(heldBy(first));
      expect(claims.obstacleOf(keysOf('b', 'l'), 0, third)).toBeUndefined();
    });

    test('do not, where the certificate was revoked meanwhile', () => {
      expect(claims.isListed(keysOf('a', 'k'), 0, first)).toBe(true);
      expect(claims.releaseClaim(keysOf('a', 'k'), 0, first)).toBe(true);
      expect(claims.releaseClaim(keysOf('a', 'k'), 0, first)).toBe(false);
      expect(claims.isListed(keysOf('a', 'k'), 0, first)).toBe(false);
      expect(free()).toEqual(heldBy(second));
      claims.release(keysOf('a', 'l'), 0, second);
      expect(free()).toBeUndefined();
    });

    test('are told behind the one that holds the claim, as long as they would come back', () => {
      claims.take(keysOf('a', 'm'), 0, third, { isRenewal: true });
      const list = () => claims.listOf(keysOf('a', 'k'), 0);
      expect(list()).toEqual([third, second, first]);
      claims.releaseClaim(keysOf('a', 'l'), 0, second);
      expect(list()).toEqual([third, first]);
      expect(claims.listOf(keysOf('a', 'k', 'ldevid'), 0)).toEqual([]);
      claims.releaseClaim(keysOf('a', 'm'), 0, third);
      expect(list()).toEqual([]);
    });

    test('end with the renewed certificate, as those of any device', () => {
      expect(claims.releaseClaim(keysOf('a', 'l'), 0, second)).toBe(true);
      expect(free()).toBeUndefined();
      claims.take(keysOf('a', 'k'), 0, third);
      expect(claims.release(keysOf('a', 'k'), 0, third)).toBe(true);
      expect(free()).toBeUndefined();
    });

    test('come back also past one that ended before, and is given back later', () => {
      claims.take(keysOf('a', 'm'), 0, third, { isRenewal: true });
      expect(claims.release(keysOf('a', 'l'), 0, second)).toBe(true);
      expect(claims.release(keysOf('a', 'l'), 0, second)).toBe(false);
      expect(claims.obstacleOf(keysOf('b', 'l'), 0, first)).toBeUndefined();
      expect(claims.release(keysOf('a', 'm'), 0, third)).toBe(true);
      expect(free()).toEqual(heldBy(first));
    });

    test('take a bounded time, also of a device that was renewed without end', () => {
      for (let index = 0; index < 100; index += 1) {
        claims.take(keysOf('a', 'k'), 0, { seq: 9, index }, { isRenewal: true });
      }
      expect(claims.releaseClaim(keysOf('a', 'k'), 0, { seq: 9, index: 80 })).toBe(true);
      expect(claims.releaseClaim(keysOf('a', 'k'), 0, first)).toBe(false);
      expect(free()).toEqual(heldBy({ seq: 9, index: 99 }));
    });
  });

  test('a key that was accepted more often than can be counted stays bound for ever', () => {
    for (let i = 0; i < 0xffff; i += 1) claims.take(keysOf('a', 'k'), 0, first);
    expect(claims.release(keysOf('a', 'k'), 0, first)).toBe(true);
    claims.take(keysOf('a', 'k'), 0, first);
    expect(claims.obstacleOf(keysOf('b', 'k'), 0, third)?.kind).toBe('key-of-another-device');
  });

  test('a device without an id is its key, and no device id is taken for it', () => {
    const udidId = udidIdAt(Buffer.alloc(32, 'k'), 0);
    expect(keysOf('', 'k')).not.toEqual(keysOf('', 'l'));
    expect(keysOf('', 'k')).not.toEqual(keysOf(udidId, 'k'));
  });

  test('keys of different kinds, tenants and secrets differ', () => {
    const seen = new Set<string>();
    for (const secret of [1, 2]) {
      const of = new RequestKeys(new Uint8Array(32).fill(secret));
      for (const tenant of ['a', 'b']) {
        const writers = [
          of.ofUdid(tenant),
          of.ofDevice(tenant),
          of.ofChunk(tenant),
          of.ofOrder(tenant),
          of.ofClaim(tenant, 'p'),
        ];
        for (const write of writers) {
          const into = Buffer.alloc(16);
          write('x', into, 0);
          seen.add(into.toString('hex'));
        }
      }
    }
    expect(seen.size).toBe(20);
  });

  test('details name the own device only', () => {
    const claimed = { kind: 'device-claimed', holder: first } as const;
    const bound = { kind: 'key-of-another-device', holders: [first] } as const;
    expect(obstacleDetail(claimed, 'a')).toBe('device a is claimed by another request');
    expect(obstacleDetail(claimed, 'a', Date.UTC(2027, 0, 2, 3, 4, 5))).toBe(
      'device a has a certificate until 2027-01-02T03:04:05Z',
    );
    expect(obstacleDetail(bound, '')).toBe('the key of this device is bound to another device');
  });
});
