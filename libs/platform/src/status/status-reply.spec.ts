import type { OcspAnswer } from '@certmill/pipeline';
import { ocspReply } from './status-reply.js';

const nowMs = Date.UTC(2026, 10, 22, 12, 0, 0, 250);
const limits = { cachedMs: 5_000, maxAgeSeconds: 3_600 };

function anAnswer(isForAll: boolean, leftMs: number): OcspAnswer {
  const times = { thisUpdateMs: nowMs - 60_250, nextUpdateMs: nowMs + leftMs };
  return { kind: 'successful', der: Buffer.from('signed'), times, isForAll };
}

function headersOf(answer: OcspAnswer): ReadonlyMap<string, string> {
  const { headers } = ocspReply(answer, nowMs, limits);
  return new Map(headers.flatMap((name, i) => (i % 2 === 0 ? [[name, headers[i + 1] ?? '']] : [])));
}

function maxAgeOf(answer: OcspAnswer): string | undefined {
  return headersOf(answer).get('Cache-Control')?.split(',')[0];
}

describe('the headers of an OCSP answer (RFC 9919 7.2)', () => {
  test('Expires is nextUpdate and Last-Modified thisUpdate, however long a cache may keep it', () => {
    const headers = headersOf(anAnswer(true, 86_399_750));
    expect(headers.get('Expires')).toBe('Mon, 23 Nov 2026 12:00:00 GMT');
    expect(headers.get('Last-Modified')).toBe('Sun, 22 Nov 2026 11:59:00 GMT');
    expect(headers.get('ETag')).toMatch(/^"[0-9a-f]{64}"$/);
  });

  test.each([
    [86_399_750, 'max-age=3600'],
    [3_599_750, 'max-age=3599'],
    [10_000, 'max-age=9'],
    [750, 'max-age=0'],
    [-5_000, 'max-age=0'],
  ])('with %d ms to nextUpdate: %s, which ends before it', (leftMs, expected) => {
    expect(maxAgeOf(anAnswer(true, leftMs))).toBe(expected);
  });

  test('what is for one client or may be known soon is kept for a second, and never here', () => {
    const answer = anAnswer(false, 86_400_000);
    expect(headersOf(answer).get('Cache-Control')).toBe(
      'max-age=1,public,no-transform,must-revalidate',
    );
    expect(ocspReply(answer, nowMs, limits).keepUntilMs).toBeUndefined();
    expect(ocspReply(anAnswer(true, 86_400_000), nowMs, limits).keepUntilMs).toBe(nowMs + 5_000);
  });

  test.each(['tryLater', 'unauthorized', 'malformedRequest', 'internalError'] as const)(
    'nobody keeps %s, which is not signed',
    (kind) => {
      const headers = headersOf({ kind, der: Buffer.from('none') });
      expect([...headers.keys()]).toEqual(['Content-Type', 'Cache-Control']);
      expect(headers.get('Cache-Control')).toBe('no-store');
    },
  );
});
