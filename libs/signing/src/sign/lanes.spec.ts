import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Lane } from '@certmill/domain';
import { aChunk, tlsClientText } from '../testing/a-chunk.js';
import { anIssuer, asSigningIssuer, type TestIssuer } from '../testing/an-issuer.js';
import { countedOpeningsModule, countOpenings } from '../testing/counted-openings.js';
import { openSigningPools, type SigningPools } from './open-signing-pools.js';

let issuer: TestIssuer;
let pools: SigningPools | undefined;

beforeAll(() => {
  issuer = anIssuer();
});
afterEach(async () => {
  await pools?.stop(1_000);
});
afterAll(() => {
  rmSync(issuer.directory, { recursive: true });
});

async function open(file: string, lanes?: readonly Lane[]): Promise<SigningPools> {
  pools = await openSigningPools({
    openTimeoutMs: 60_000,
    issuers: [asSigningIssuer(issuer, [countedOpeningsModule(file)])],
    profiles: () => tlsClientText,
    serialKeys: [{ id: 1, key: Buffer.alloc(16, 1) }],
    threadsPerSlot: 3,
    interactiveThreadsPerSlot: 2,
    ...(lanes === undefined ? {} : { lanes }),
  });
  return pools;
}

describe('the lanes of a signing process', () => {
  const cases: readonly {
    readonly lanes: readonly Lane[] | undefined;
    readonly sessions: number;
    readonly others: readonly Lane[];
  }[] = [
    { lanes: undefined, sessions: 5, others: [] },
    { lanes: ['bulk'], sessions: 3, others: ['interactive'] },
    { lanes: ['interactive'], sessions: 2, others: ['bulk'] },
    { lanes: ['bulk', 'interactive'], sessions: 5, others: [] },
  ];
  it.each(cases)('$lanes: opens $sessions sessions', async ({ lanes, sessions, others }) => {
    const file = join(issuer.directory, `openings-${(lanes ?? ['none']).join('-')}`);
    const signer = await open(file, lanes);
    expect(countOpenings(file)).toBe(sessions);
    expect(signer.health()).toMatchObject([{ state: 'ready', sessions }]);
    const { received, verdict } = aChunk({ count: 2 });
    for (const lane of ['bulk', 'interactive'] as const) {
      const signing = signer.sign(received, verdict, lane);
      await (others.includes(lane)
        ? expect(signing).rejects.toMatchObject({ code: 'FAULT_PROCESSING' })
        : expect(signing).resolves.toMatchObject({ slot: 'slot-0' }));
    }
  });
});
