import { readStandings } from './standing.js';
import { chunkReader, nowMs, placeOf, standingPorts } from './testing/devices-certificates.js';

describe('a certificate of a device', () => {
  test.each([
    ['good', { issuer: 'factory', isOnHold: false }],
    ['held', { issuer: 'factory', isOnHold: true }],
    ['good under a fallen CA', { issuer: 'fallen CA', isOnHold: false, fallenCa: 'fallen CA' }],
    ['held under a fallen CA', { issuer: 'fallen CA', isOnHold: true, fallenCa: 'fallen CA' }],
    ['expired', undefined],
    ['in flight', undefined],
    ['not issued', undefined],
    ['revoked', undefined],
  ])('that is %s is worth %j', async (what, expected) => {
    const places = ['good', what].map(placeOf);
    const standingOf = await readStandings(standingPorts, 'acme', places, nowMs, chunkReader);
    expect(standingOf(placeOf(what))).toEqual(expected);
    expect(standingOf(placeOf('good'))).toEqual({ issuer: 'factory', isOnHold: false });
  });
});
