import { renewalTest, type RenewalPorts } from './renewal-test.js';
import {
  certificateIn,
  chunkReader,
  nowMs,
  placeOf,
  standingPorts,
} from './testing/devices-certificates.js';

/** @param others of the device, newest first. */
async function isRenewed(...others: readonly string[]): Promise<boolean> {
  const ports = {
    ...standingPorts,
    batches: {
      getBatch: (_: string, batchId: string) => {
        const orderId = batchId.startsWith('another') ? 'another' : 'renewal';
        return Promise.resolve({ orderId });
      },
    },
    certificates: {
      ...standingPorts.certificates,
      placesOf: (_: string, __: unknown, limit: number) =>
        Promise.resolve([[...others, 'own', 'good'].slice(0, limit).map(placeOf)]),
    },
  } as unknown as RenewalPorts;
  const own = [certificateIn('own')];
  return (await renewalTest(ports, 'acme', 'renewal', own, nowMs, chunkReader))(0);
}

describe('a device', () => {
  test.each([
    ['good', true],
    ['held', false],
    ['good under a fallen CA', false],
    ['expired', false],
    ['in flight', false],
    ['not issued', false],
    ['revoked', false],
    ["another order's", false],
  ])('whose certificate of an order is %s: renewed is %s', async (what, expected) => {
    expect(await isRenewed(what)).toBe(expected);
    expect(await isRenewed(what, 'good')).toBe(true);
    const requests = Array.from({ length: 300 }, () => "another order's");
    expect(await isRenewed(...requests, what)).toBe(expected);
  });

  test('has not renewed by what it had before', async () => {
    expect(await isRenewed()).toBe(false);
  });
});
