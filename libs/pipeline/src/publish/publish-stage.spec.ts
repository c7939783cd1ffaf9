import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rejectionNumber } from '@certmill/domain';
import type { IssuedChunk, ReceivedPins, Verdict } from '@certmill/events';
import { terminalOf } from './publish-stage.js';

const certificateDer = readFileSync(new URL('../../test-data/certificates/1.der', import.meta.url));
const received: ReceivedPins = {
  tenant: 'acme',
  orderId: 'spring',
  batchId: '0'.repeat(26),
  chunkNumber: 0,
  firstIndex: 256,
  lane: 'bulk',
  receivedAtMs: 1,
  signBeforeMs: 2,
  profileHash: 'ab'.repeat(32),
  issuer: 'factory',
  serialKeyId: 1,
};
const refused = rejectionNumber('DEVICE_ALREADY_ISSUED');

function terminal(codes: readonly number[], issued: Partial<IssuedChunk>) {
  const verdict: Verdict = {
    codes,
    details: codes.map(() => ''),
    deviceIds: codes.map(() => 'd'),
    udids: new Uint8Array(32 * codes.length),
    valuesPerRequest: 0,
    values: [],
  };
  const chunk: IssuedChunk = {
    received: new Uint8Array(),
    verdict: new Uint8Array(),
    certificatesDer: new Uint8Array(),
    certificateLengths: codes.map(() => 0),
    endedBy: 0,
    endedDetail: '',
    ...issued,
  };
  return terminalOf(received, verdict, chunk, new Uint8Array(), 'idevid', 3);
}

describe('the terminal record of a chunk', () => {
  test('tells when its certificates end, whichever of its requests has the first', () => {
    const certificateLengths = [0, certificateDer.length, 0];
    const issued = { certificatesDer: certificateDer, certificateLengths };
    const { notAfterMs } = terminal([refused, 0, refused], issued);
    expect(notAfterMs).toBe(new X509Certificate(certificateDer).validToDate.getTime());
  });

  test('tells no end where it has no certificate', () => {
    expect(terminal([refused, refused], {})).not.toHaveProperty('notAfterMs');
    const unsigned = { endedBy: rejectionNumber('ISSUER_UNAVAILABLE') };
    const ended = terminal([0, refused], unsigned);
    expect(ended).not.toHaveProperty('notAfterMs');
    expect(ended.released).toEqual([256]);
  });

  test('is refused where a certificate cannot be read', () => {
    const issued = { certificatesDer: certificateDer.subarray(1), certificateLengths: [500] };
    expect(() => terminal([0], issued)).toThrow(
      expect.objectContaining({ code: 'FAULT_EVENT_UNDECODABLE' }) as Error,
    );
  });
});
