import { rejectionNumber, type Order, type Profile } from '@certmill/domain';
import {
  amendVerdict,
  decodeValidatedChunk,
  decodeVerdict,
  encodeReceivedChunk,
  encodeVerdict,
  type ReceivedChunk,
} from '@certmill/events';
import type { Decision, DeliveredRecord, EventRecord } from '@certmill/ports';
import { createHops, type HopKeys } from '../hop-seal.js';
import { validateChunk, type ValidatePorts } from './validate-stage.js';
import { verdictSealsOf } from './verdict-seal.js';

const clock = { nowMs: () => Date.UTC(2026, 0, 2) };
const forged = expect.objectContaining({ code: 'FAULT_VERDICT_FORGED' }) as unknown as Error;

/** `ids[0]` seals, all of them open. */
function keysOf(...ids: [string, ...string[]]): HopKeys {
  const opening = new Map(ids.map((id) => [id, Buffer.alloc(32, id)]));
  return { sealing: { id: ids[0], secret: Buffer.alloc(32, ids[0]) }, opening };
}

const received: ReceivedChunk = {
  tenant: 'acme',
  orderId: 'order-1',
  batchId: '0123456789abcdef0123456789',
  chunkNumber: 3,
  firstIndex: 0,
  lane: 'bulk',
  receivedAtMs: 1,
  signBeforeMs: clock.nowMs() + 1,
  profileHash: '11'.repeat(32),
  issuer: 'factory',
  serialKeyId: 1,
  requestsDer: Buffer.from('onetwo'),
  requestLengths: [3, 3],
  deviceIds: ['device-0', 'device-1'],
  sources: ['line 1', 'line 2'],
  rejections: [0, 0],
  rejectionDetails: ['', ''],
};
const value = encodeReceivedChunk(received);

function draftOf(...codes: number[]): Uint8Array {
  return encodeVerdict({
    codes,
    details: codes.map((code) => (code === 0 ? '' : 'no')),
    deviceIds: codes.map((_, i) => `device-${String(i)}`),
    udids: Buffer.alloc(32 * codes.length, 7),
    valuesPerRequest: 1,
    values: codes.map(() => Buffer.from('value')),
  });
}

const refusal = rejectionNumber('CSR_POP_INVALID');

describe('the seal of a verdict', () => {
  const seals = verdictSealsOf(keysOf('a'));
  const sealed = seals.seal(received, value, draftOf(0, refusal));

  it('is good for its chunk, also with what the store rejects behind it', () => {
    const amended = amendVerdict(sealed, [
      { position: 0, code: rejectionNumber('KEY_IN_USE'), detail: 'used' },
    ]);
    seals.check(received, value, sealed);
    seals.check(received, value, amended);
    expect(decodeVerdict(sealed)).toEqual(decodeVerdict(draftOf(0, refusal)));
    const partly = amendVerdict(seals.seal(received, value, draftOf(0, 0)), [
      { position: 1, code: refusal, detail: 'no' },
    ]);
    seals.check(received, value, partly);
  });

  it('is not needed where nothing is accepted', () => {
    seals.check(received, value, draftOf(refusal, refusal));
  });

  it.each([
    ['without a seal', draftOf(0, refusal)],
    ['that accepts more behind its seal', Buffer.concat([sealed, draftOf(0, 0)])],
    ['that begins with something else', Buffer.concat([draftOf(0, 0), sealed])],
    ['with the seal of another draft', withSealOf(draftOf(0, 0), sealed)],
    ['with other values', Buffer.from(sealed).fill('v', 40, 41)],
    ['with two seals', Buffer.concat([sealed, sealed.subarray(-34)])],
    ['with a short seal', Buffer.concat([draftOf(0, 0), Buffer.from([98, 2, 1, 1])])],
    [
      'of a key that is not known',
      verdictSealsOf(keysOf('b')).seal(received, value, draftOf(0, 0)),
    ],
  ])('refuses one %s', (_, verdict) => {
    expect(() => seals.check(received, value, verdict)).toThrow(forged);
  });

  it.each([
    ['chunk', { chunkNumber: 4 }],
    ['tenant', { tenant: 'other' }],
    ['order', { orderId: 'order-2' }],
    ['batch', { batchId: '0123456789abcdef0123456780' }],
    ['profile', { profileHash: '22'.repeat(32) }],
    ['request', { requestsDer: Buffer.from('onetwx') }],
    ['division into requests', { requestLengths: [2, 4] }],
  ])('is of no other %s', (_, changes: Partial<ReceivedChunk>) => {
    const other = { ...received, ...changes };
    expect(() => seals.check(other, encodeReceivedChunk(other), sealed)).toThrow(forged);
  });

  it('is of the same requests where a resumed upload counts its lines anew', () => {
    seals.check(received, encodeReceivedChunk({ ...received, sources: ['line 1', ''] }), sealed);
  });

  it('stays good while its key opens, and no longer', () => {
    const before = verdictSealsOf(keysOf('a', 'b')).seal(received, value, draftOf(0, 0));
    const after = verdictSealsOf(keysOf('b', 'a'));
    after.check(received, value, before);
    verdictSealsOf(keysOf('a', 'b')).check(
      received,
      value,
      after.seal(received, value, draftOf(0, 0)),
    );
    expect(() => verdictSealsOf(keysOf('b')).check(received, value, before)).toThrow(forged);
  });
});

/** The draft with the seal that another one ends with. */
function withSealOf(draft: Uint8Array, sealedDraft: Uint8Array): Uint8Array {
  return Buffer.concat([draft, sealedDraft.subarray(-34)]);
}

describe('validate', () => {
  /** A stage on a store that holds one verdict; the examiner accepts the first request only. */
  function stage(options: { readonly stored?: Uint8Array; readonly first?: Uint8Array } = {}) {
    const appended: EventRecord[] = [];
    let stored = options.stored;
    const hops = createHops({}, clock);
    const order = { profileName: 'tls-client', requiresAllowList: false } as unknown as Order;
    const profile = { name: 'tls-client' } as unknown as Profile;
    const stores = {
      chunkState: () => Promise.resolve({ ended: false, cancelled: true }),
      getVerdict: () => Promise.resolve(stored),
      getOrder: () => Promise.resolve(order),
      decide: ({ draft }: Decision) => Promise.resolve((stored ??= options.first ?? draft)),
    };
    const ports = {
      stores,
      hops,
      clock,
      profiles: { get: () => Promise.resolve(profile) },
      log: {
        append: (_: string, record: EventRecord) => Promise.resolve(void appended.push(record)),
      },
      verdictSeals: verdictSealsOf(keysOf('a')),
    } as unknown as ValidatePorts;
    const [topic, record] = hops.received.seal(received, value);
    const delivered: DeliveredRecord = { ...record, topic, position: '0:0' };
    return { run: () => validateChunk(ports, delivered), appended, stored: () => stored };
  }

  it('hands on what it decided, as it is stored, and so does a replay', async () => {
    const { run, appended, stored } = stage();
    await run();
    await run();
    // Tag and length of the seal.
    expect([...Buffer.from(stored() ?? []).subarray(-34, -32)]).toEqual([98, 32]);
    expect(appended.map((record) => decodeValidatedChunk(record.value).verdict)).toEqual([
      Buffer.from(stored() ?? []),
      Buffer.from(stored() ?? []),
    ]);
  });

  it('hands on a sealed verdict that is stored already', async () => {
    const sealed = verdictSealsOf(keysOf('a')).seal(received, value, draftOf(0, 0));
    const { run, appended } = stage({ stored: sealed });
    await run();
    expect(appended).toHaveLength(1);
  });

  it.each([
    ['is there before it decides', { stored: draftOf(0, 0) }],
    ['is written while it decides', { first: draftOf(0, 0) }],
  ])('never hands on a verdict that somebody else made, whether it %s', async (_, options) => {
    const { run, appended } = stage(options);
    await expect(run()).rejects.toThrow(forged);
    expect(appended).toEqual([]);
  });
});
