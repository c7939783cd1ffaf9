import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OcspFile } from '@certmill/adapter-embedded';
import type { Stoppable } from '@certmill/ports';
import type { OpenedStores } from './connections/open-store.js';
import type { Trust } from './keys/trust-folder.js';
import { presignedFor, presignFor } from './presigning.js';
import type { ServiceContext } from './service-context.js';

const batchId = '00112233445566778899aabbcc';
const nowMs = Date.now();
let directory: string;
let ocsp: OcspFile;
let stores: OpenedStores;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'certmill-presigning-'));
  ocsp = new OcspFile(join(directory, 'ocsp.sqlite'));
  stores = { ocsp } as unknown as OpenedStores;
});
afterEach(async () => {
  await ocsp.stop();
  await rm(directory, { recursive: true });
});

const trust = {
  catalogue: { all: [{ name: 'factory' }, { name: 'meters' }] },
} as unknown as Trust;

/** Of a process that is told this, with what it has opened. */
function aContext(policy: object, lanes: readonly string[] = ['bulk']) {
  const parts: Stoppable[] = [];
  const defaults = { presign: 'none', presignedHours: 168, issuers: {} };
  const context = {
    config: { ocsp: { ...defaults, ...policy }, lanes },
    clock: { nowMs: () => nowMs },
    parts,
  } as unknown as ServiceContext;
  return { context, parts };
}

/** Chunk by chunk, in time for a while. */
async function sign(chunkNumber: number, issuer: string): Promise<void> {
  const head = { tenant: 'acme', batchId, chunkNumber, firstIndex: chunkNumber, count: 1, issuer };
  const times = { producedAtMs: nowMs, thisUpdateMs: nowMs };
  const nextUpdateMs = nowMs + (chunkNumber + 1) * 3_600_000;
  const told = { responder: 'r', digest: 'd', pairs: [Buffer.from('good')] };
  await ocsp.putResponses({ ...head, ...times, nextUpdateMs, ...told }, undefined);
}

async function signed(): Promise<readonly number[]> {
  return ocsp.listFirstIndexes(batchId);
}

test('a sign that signs nothing ahead any more takes away what was', async () => {
  for (const [i, issuer] of ['factory', 'meters', 'factory', 'meters'].entries()) {
    await sign(i, issuer);
  }
  const { context, parts } = aContext({});
  await presignFor(context, stores, trust, undefined);
  await Promise.all(parts.map((part) => part.stop(1_000)));
  expect(await signed()).toEqual([]);
});

test('a sign of single enrolments leaves it to others', async () => {
  await sign(0, 'factory');
  const { context, parts } = aContext({}, ['interactive']);
  await presignFor(context, stores, trust, undefined);
  expect([parts, await signed()]).toEqual([[], [0]]);
});

test.each([
  ['nobody', {}, []],
  ['one issuer', { issuers: { meters: { presign: 'all' } } }, ['meters']],
  ['all but one', { presign: 'all', issuers: { meters: { presign: 'none' } } }, ['factory']],
])(
  'a status with responses of %s tells no other that lie in the store',
  async (_, policy, told) => {
    await sign(0, 'factory');
    await sign(1, 'meters');
    const { presigned } = presignedFor(aContext(policy).context, stores);
    const pairs = await Promise.all(
      [0, 1].map(async (index) => presigned?.findPair(batchId, index)),
    );
    expect(pairs.flatMap((pair) => pair?.issuer ?? [])).toEqual(told);
  },
);
