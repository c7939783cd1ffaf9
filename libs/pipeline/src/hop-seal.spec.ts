import { randomBytes } from 'node:crypto';
import type { SealedAttributes } from '@certmill/events';
import type { DeliveredRecord, EventRecord } from '@certmill/ports';
import { createHops, hopKeysOf, type Hop, type HopName } from './hop-seal.js';

const clock = { nowMs: () => 1_790_000_000_000 };
const chunk: SealedAttributes = {
  tenant: 'acme',
  orderId: 'order-1',
  batchId: '00112233445566778899aabbcc',
  chunkNumber: 7,
  lane: 'bulk',
  profileHash: 'ab'.repeat(32),
  issuer: 'issuing',
  signBeforeMs: 1_790_000_600_000,
};
const forged = expect.objectContaining({ code: 'FAULT_EVENT_FORGED' }) as unknown as Error;

function delivered(sealed: [string, EventRecord]): DeliveredRecord {
  const [topic, record] = sealed;
  return { ...record, topic, position: '0:0' };
}

function opening(hop: Hop, record: DeliveredRecord): () => unknown {
  return () => hop.open(record);
}

const secret = randomBytes(32);

describe.each<HopName>(['received', 'validated', 'issued'])('the hop %s of one process', (name) => {
  const hops = createHops(hopKeysOf(secret), clock);
  const others = createHops(hopKeysOf(randomBytes(32)), clock);
  const hop = hops[name];

  test('opens what it sealed', () => {
    const record = delivered(hop.seal(chunk, Buffer.from('value')));
    expect(hop.open(record)).toEqual(chunk);
    expect(record.headers).toMatchObject({ ce_subject: chunk.batchId, certmill_tenant: 'acme' });
  });

  test('refuses another value, other attributes, another topic', () => {
    const record = delivered(hop.seal(chunk, Buffer.from('value')));
    expect(opening(hop, { ...record, value: Buffer.from('other') })).toThrow(forged);
    const headers = { ...record.headers, certmill_tenant: 'other' };
    expect(opening(hop, { ...record, headers })).toThrow(forged);
    const topic = record.topic.replace('bulk', 'interactive');
    expect(opening(hop, { ...record, topic })).toThrow(forged);
  });

  test('refuses what another pipeline or another hop sealed', () => {
    const value = Buffer.from('value');
    expect(opening(hop, delivered(others[name].seal(chunk, value)))).toThrow(forged);
    for (const other of Object.keys(hops) as HopName[]) {
      if (other === name) continue;
      const record = delivered(hops[other].seal(chunk, value));
      expect(opening(hop, { ...record, topic: hop.seal(chunk, value)[0] })).toThrow(forged);
    }
  });
});

describe('the keys of records, which the log chooses partitions by', () => {
  const { received } = createHops(hopKeysOf(secret), clock);
  const keyOf = (attributes: Partial<SealedAttributes>): string | undefined =>
    received.seal({ ...chunk, ...attributes }, Buffer.from('value'))[1].key;
  const chunks = Array.from({ length: 1_000 }, (_, chunkNumber) => chunkNumber);

  test('are eight for the bulk of a tenant, in turn, and others for another', () => {
    const keys = chunks.map((chunkNumber) => keyOf({ chunkNumber }));
    expect(new Set(keys).size).toBe(8);
    expect(new Set(keys.slice(0, 8)).size).toBe(8);
    const others = chunks.map((chunkNumber) => keyOf({ tenant: 'other', chunkNumber }));
    expect(new Set([...keys, ...others]).size).toBe(16);
  });

  test('are of their own for each enrolment', () => {
    const batches = chunks.map((n) => String(n).padStart(26, '0'));
    const keys = batches.map((batchId) => keyOf({ lane: 'interactive', batchId }));
    expect(new Set(keys).size).toBe(1_000);
  });
});

test('what goes through the log opens after a restart, what stays in memory does not', () => {
  const before = createHops(hopKeysOf(secret), clock);
  const after = createHops(hopKeysOf(secret), clock);
  const value = Buffer.from('value');
  expect(after.received.open(delivered(before.received.seal(chunk, value)))).toEqual(chunk);
  expect(opening(after.validated, delivered(before.validated.seal(chunk, value)))).toThrow(forged);
});
