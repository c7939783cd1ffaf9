import { aReceivedChunk } from './chunk-builders.fixture.js';
import {
  assertSealedMatches,
  encodeReceivedChunk,
  openRecord,
  sealRecord,
  topics,
  type RecordToSeal,
} from './index.js';

const topic = topics.requestsReceived.bulk;
const secret = new Uint8Array(32).fill(1);
const keys = new Map([['k1', secret]]);
const chunk = aReceivedChunk();
const toSeal: RecordToSeal = {
  topic,
  attributes: chunk,
  value: encodeReceivedChunk(chunk),
  key: { id: 'k1', secret },
  source: '/certmill/ingest',
  timeMs: 1_795_000_000_123,
};
const forged = expect.objectContaining({ code: 'FAULT_EVENT_FORGED' }) as Error;

describe('a sealed record', () => {
  const { value } = toSeal;
  const headers = sealRecord(toSeal);

  it('carries CloudEvents attributes in binary mode', () => {
    expect(headers).toMatchObject({
      ce_specversion: '1.0',
      ce_id: '00112233445566778899aabbcc.7',
      ce_source: '/certmill/ingest',
      ce_type: 'certmill.requests.received.v1',
      ce_subject: '00112233445566778899aabbcc',
      ce_time: '2026-11-18T11:06:40.123Z',
      'content-type': 'application/protobuf',
    });
    expect(headers).not.toHaveProperty('traceparent');
    expect(sealRecord({ ...toSeal, traceparent: '00-a-b-01' })).toHaveProperty('traceparent');
  });

  it('opens to the attributes it was sealed with', () => {
    const opened = openRecord({ headers, value }, topic, keys);
    expect(opened).toEqual({
      tenant: 'acme',
      orderId: 'spring-2026',
      batchId: chunk.batchId,
      chunkNumber: 7,
      lane: 'bulk',
      profileHash: chunk.profileHash,
      issuer: 'factory-ca-1',
      signBeforeMs: chunk.signBeforeMs,
    });
    expect(() => {
      assertSealedMatches(opened, chunk);
    }).not.toThrow();
  });

  it('opens with either key of a rotation', () => {
    const next = { id: 'k2', secret: new Uint8Array(32).fill(2) };
    const both = new Map([...keys, [next.id, next.secret]]);
    const later = sealRecord({ ...toSeal, key: next });
    expect(openRecord({ headers, value }, topic, both).tenant).toBe('acme');
    expect(openRecord({ headers: later, value }, topic, both).tenant).toBe('acme');
    expect(() => openRecord({ headers: later, value }, topic, keys)).toThrow(forged);
  });

  const bound = Object.keys(headers).filter((name) => !['ce_source', 'ce_time'].includes(name));

  it.each(bound)('is refused with another %s', (name) => {
    const other = name === 'certmill_lane' ? 'interactive' : `${headers[name] ?? ''}0`;
    const changed = { ...headers, [name]: other };
    expect(() => openRecord({ headers: changed, value }, topic, keys)).toThrow(forged);
  });

  it.each(bound)('is refused without %s', (name) => {
    const less = Object.fromEntries(Object.entries(headers).filter(([other]) => other !== name));
    expect(() => openRecord({ headers: less, value }, topic, keys)).toThrow(forged);
  });

  it('is refused with another value, by another topic, or with another key of the same id', () => {
    const other = Uint8Array.from(value);
    other[9] = (other[9] ?? 0) ^ 1;
    expect(() => openRecord({ headers, value: other }, topic, keys)).toThrow(forged);
    expect(() => openRecord({ headers, value }, topics.requestsValidated.bulk, keys)).toThrow(
      forged,
    );
    const wrong = new Map([['k1', new Uint8Array(32).fill(9)]]);
    expect(() => openRecord({ headers, value }, topic, wrong)).toThrow(forged);
  });

  it('is told from one whose fields are cut elsewhere', () => {
    const shifted = { ...headers, certmill_tenant: 'acm', certmill_order: 'espring-2026' };
    expect(() => openRecord({ headers: shifted, value }, topic, keys)).toThrow(forged);
  });

  it.each([
    { tenant: 'other' },
    { orderId: 'other' },
    { batchId: 'ff'.repeat(13) },
    { chunkNumber: 8 },
    { lane: 'interactive' as const },
    { profileHash: 'cd'.repeat(32) },
    { issuer: 'other' },
    { signBeforeMs: 1 },
  ])('does not match a chunk with %j', (other) => {
    const opened = openRecord({ headers, value }, topic, keys);
    expect(() => {
      assertSealedMatches(opened, aReceivedChunk(other));
    }).toThrow(forged);
  });

  it('is not made with a short secret or of attributes that no header can carry', () => {
    const short = { id: 'k1', secret: new Uint8Array(16) };
    expect(() => sealRecord({ ...toSeal, key: short })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }) as Error,
    );
    const attributes = { ...chunk, issuer: 'caf\u00e9' };
    expect(() => sealRecord({ ...toSeal, attributes })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }) as Error,
    );
  });
});
