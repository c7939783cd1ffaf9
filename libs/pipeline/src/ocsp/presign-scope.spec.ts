import { serialNumbersOf, type ChunkRef, type SerialKey } from '@certmill/domain';
import { presignScope, type PresignScopePorts } from './presign-scope.js';

const serialKey: SerialKey = { id: 1, key: Buffer.alloc(16, 9) };
const scope = { issuer: 'dev', shard: 3 };
const [one, other] = ['00112233445566778899aabbcc', 'ffeeddccbbaa99887766554433'];
const perChunk = 256;

/** A scope in which the n-th change was of the n-th place, over chunks of 256. */
function aScope(places: readonly (readonly [string, number])[]) {
  const rows = places
    .map(([batchId, index], i) => ({
      serialNumber: serialNumbersOf(serialKey, batchId, index, 1, 0),
      change: i + 1,
      ...{ revokedAtMs: 1, reason: 'superseded' as const, notAfterMs: 2 },
    }))
    .sort((a, b) => Buffer.compare(a.serialNumber, b.serialNumber));
  const state = { presigned: 0, changes: places.length, isSettled: false };
  const ports: PresignScopePorts = {
    revocations: {
      countChanges: () => Promise.resolve(state.changes),
      countPresigned: () => Promise.resolve(state.presigned),
      listRevoked: (_, { limit, after, changedSince = 0 }) =>
        Promise.resolve(
          rows
            .filter(({ change }) => change > changedSince)
            .filter(({ serialNumber }) => Buffer.compare(serialNumber, after ?? Buffer.of()) > 0)
            .slice(0, limit),
        ),
      notePresigned(_, changes) {
        // What is noted is never signed again.
        expect(state.isSettled).toBe(true);
        state.isSettled = false;
        state.presigned = changes;
        return Promise.resolve();
      },
    },
    responses: {
      settle() {
        state.isSettled = true;
        return Promise.resolve();
      },
    },
    batches: {
      findTenant: (batchId) => Promise.resolve(batchId === one ? 'acme' : undefined),
      getRegistration: (chunk) =>
        Promise.resolve({
          ...chunk,
          firstIndex: chunk.chunkNumber * perChunk,
          count: perChunk,
          ...{ digest: Buffer.of(), receivedAtMs: 0, signBeforeMs: 0, serialKeyId: 1 },
        }),
    },
    certificates: {
      findChunk: (tenant, batchId, index) =>
        Promise.resolve({ tenant, batchId, chunkNumber: Math.floor(index / perChunk) }),
    },
    serialKeys: new Map([[1, serialKey]]),
  };
  return { ports, state };
}

async function signedBy(ports: PresignScopePorts): Promise<number[]> {
  const signed: number[] = [];
  await presignScope(ports, scope, ({ chunkNumber }) => Promise.resolve(signed.push(chunkNumber)));
  return signed.sort((a, b) => a - b);
}

test('every chunk in which something changed is signed once, however many changed in it', async () => {
  const places = Array.from({ length: 12_000 }, (_, i) => [one, i] as const);
  const { ports, state } = aScope(places);
  expect(await signedBy(ports)).toEqual(Array.from({ length: 47 }, (_, i) => i));
  expect(state.presigned).toBe(12_000);
});

test('only what changed since then is looked at the next time', async () => {
  const { ports, state } = aScope([
    [one, 5],
    [one, 300],
    [one, 301],
  ]);
  state.presigned = 1;
  expect(await signedBy(ports)).toEqual([1]);
  expect(await signedBy(ports)).toEqual([]);
});

test('all is done again where one could not be signed', async () => {
  const { ports, state } = aScope([
    [one, 5],
    [one, 300],
  ]);
  const fault = new Error('no responder');
  const failing = ({ chunkNumber }: ChunkRef) =>
    chunkNumber === 1 ? Promise.reject(fault) : Promise.resolve();
  await expect(presignScope(ports, scope, failing)).rejects.toBe(fault);
  expect(state.presigned).toBe(0);
  expect(await signedBy(ports)).toEqual([0, 1]);
});

test('what changes meanwhile is left to the next time', async () => {
  const { ports, state } = aScope([[one, 5]]);
  await presignScope(ports, scope, () => {
    state.changes = 2;
    return Promise.resolve();
  });
  expect(state.presigned).toBe(1);
});

test('a restored store, which has fewer changes than were noted, begins anew', async () => {
  const { ports, state } = aScope([[one, 5]]);
  state.presigned = 7;
  expect(await signedBy(ports)).toEqual([0]);
  expect(state.presigned).toBe(1);
});

test('numbers that lead to no batch are passed over', async () => {
  const { ports, state } = aScope([
    [other, 5],
    [one, 5],
  ]);
  expect(await signedBy(ports)).toEqual([0]);
  expect(state.presigned).toBe(2);
});
