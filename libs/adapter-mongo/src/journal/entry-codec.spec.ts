import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeVerdict } from '@certmill/events';
import fc from 'fast-check';
import { decodeEntry, decodeEntryHead, encodeEntry } from './entry-codec.js';
import {
  emptyChain,
  type DecisionItem,
  type JournalEntry,
  type JournalItem,
} from './journal-entry.js';

const fixtures = join(import.meta.dirname, '../../fixtures/journal');

function verdictOf(codes: readonly number[]): Uint8Array {
  return encodeVerdict({
    codes,
    details: codes.map(() => ''),
    deviceIds: codes.map((_, i) => `device-${String(i)}`),
    udids: new Uint8Array(codes.length * 32).fill(3),
    valuesPerRequest: 0,
    values: [],
  });
}

function aDecision(codes: readonly number[], changes: Partial<DecisionItem> = {}): DecisionItem {
  const accepted = codes.filter((code) => code === 0).length;
  return {
    kind: 'decision',
    chunk: { tenant: 'acme', batchId: '0123456789abcdef0123456789', chunkNumber: 7 },
    orderId: 'order-1',
    profileName: 'idevid',
    renews: false,
    firstIndex: 1_792,
    count: codes.length,
    verdict: verdictOf(codes),
    keys: Buffer.alloc(accepted * 48, 5),
    ...changes,
  };
}

function aRelease(
  kind: 'giving-back' | 'claim-release' | 'key-block',
  positions: readonly number[],
): JournalItem {
  return {
    kind,
    chunk: { tenant: 'acme', batchId: '0123456789abcdef0123456789', chunkNumber: 300 },
    orderId: 'order-1',
    positions,
    keys: Buffer.alloc(positions.length * 48, 9),
  };
}

const anEntry = (...items: readonly JournalItem[]): JournalEntry => ({
  previous: emptyChain,
  items,
});

const item: fc.Arbitrary<JournalItem> = fc.oneof(
  fc
    .array(fc.constantFrom(0, 1, 7, 200), { minLength: 1, maxLength: 40 })
    .map((c) => aDecision(c, { renews: c.length % 2 === 0 })),
  fc
    .tuple(
      fc.constantFrom('giving-back' as const, 'claim-release' as const, 'key-block' as const),
      fc.uniqueArray(fc.nat(255), { minLength: 1, maxLength: 20 }),
    )
    .map(([kind, positions]) => aRelease(kind, positions)),
);

describe('an entry of the journal', () => {
  it('comes out as it went in, with what follows from its verdicts', () => {
    fc.assert(
      fc.property(fc.array(item, { maxLength: 20 }), (items) => {
        const stored = encodeEntry(anEntry(...items));
        const decoded = decodeEntry(stored);
        let start = 0;
        const expected = items.map((one) => {
          if (one.kind !== 'decision') return one;
          const codes = Array.from({ length: one.count }, (_, i) => i);
          const accepted = codes.filter((i) => decodedCodes(one.verdict)[i] === 0);
          start += one.count;
          return { ...one, start: start - one.count, accepted };
        });
        expect(plain(decoded.items)).toEqual(plain(expected));
        expect(decodeEntryHead(stored.head).decided).toEqual(
          decoded.items.flatMap((one) => {
            if (one.kind !== 'decision') return [];
            const { chunk, orderId, profileName, firstIndex, count } = one;
            return [{ chunk, orderId, profileName, firstIndex, count, start: one.start }];
          }),
        );
      }),
      { numRuns: 200, seed: 20261121 },
    );
  });

  it('never takes changed octets for an entry', () => {
    const { head, body } = encodeEntry(anEntry(aDecision([0, 1, 0]), aRelease('giving-back', [4])));
    for (let at = 0; at < body.length; at += 1) {
      const changed = Uint8Array.from(body);
      changed[at] = (changed[at] ?? 0) ^ 0x10;
      expect(() => decodeEntry({ head, body: changed })).toThrow(
        expect.objectContaining({ code: 'FAULT_STORE_CORRUPT' }) as Error,
      );
    }
    for (let length = 0; length < head.length; length += 1) {
      expect(() => decodeEntry({ head: head.subarray(0, length), body })).toThrow(
        expect.objectContaining({ code: 'FAULT_STORE_CORRUPT' }) as Error,
      );
    }
  });

  const tooMany = Array.from({ length: 17 }, () => aDecision(Array<number>(256).fill(1)));
  const unknown = { ...aRelease('giving-back', [1]), kind: 'renewal' } as unknown as JournalItem;
  it.each([
    ['too few keys for its verdict', anEntry(aDecision([0, 0], { keys: Buffer.alloc(48) }))],
    ['too many requests', anEntry(...tooMany)],
    ['too many items', anEntry(...Array.from({ length: 65 }, () => aRelease('giving-back', [1])))],
    ['no chain', { previous: new Uint8Array(), items: [] }],
    ['another count than its verdict', anEntry(aDecision([0], { count: 2 }))],
    ['releases without keys', anEntry({ ...aRelease('giving-back', [1]), keys: Buffer.alloc(0) })],
    ['an item of a kind that is not known', anEntry(unknown)],
  ])('is refused with %s', (_what, entry) => {
    expect(() => decodeEntry(encodeEntry(entry))).toThrow(
      expect.objectContaining({ code: 'FAULT_STORE_CORRUPT' }) as Error,
    );
  });

  it('of a newer release is told from a damaged one', () => {
    const { head, body } = encodeEntry(anEntry(aDecision([0])));
    expect([...head.subarray(0, 2)]).toEqual([8, 1]);
    head[1] = 2;
    expect(() => decodeEntry({ head, body })).toThrow(
      expect.objectContaining({ code: 'DATA_FORMAT_UNSUPPORTED' }) as Error,
    );
  });
});

describe('the golden entries', () => {
  /** A fixture is added when the format grows, and never changed: entries are kept for ever. */
  const golden = new Map<string, JournalEntry>([
    ['v1-decisions', anEntry(aDecision([0, 9, 0]), aDecision([0], { firstIndex: 0 }))],
    [
      'v1-releases',
      { previous: new Uint8Array(32).fill(0xab), items: [aRelease('giving-back', [0, 3])] },
    ],
    ['v1-claim-release', anEntry(aRelease('claim-release', [0]))],
    ['v1-key-block', anEntry(aRelease('key-block', [0, 255]))],
  ]);

  it('are all known', () => {
    const names = globSync('*.head', { cwd: fixtures }).map((name) => name.slice(0, -5));
    expect(names.toSorted()).toEqual([...golden.keys()].toSorted());
  });

  it.each([...golden])('%s is written and read as it always was', (name, entry) => {
    const stored = {
      head: new Uint8Array(readFileSync(join(fixtures, `${name}.head`))),
      body: new Uint8Array(readFileSync(join(fixtures, `${name}.body`))),
    };
    expect(encodeEntry(entry)).toEqual(stored);
    const { previous, items } = decodeEntry(stored);
    expect(Buffer.from(previous)).toEqual(Buffer.from(entry.previous));
    expect(plain(items)).toMatchObject(plain(entry.items) as object);
  });
});

/** With octets as hex: views and arrays of the same content are the same. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, one: unknown) => {
      if (one instanceof Uint8Array) return Buffer.from(one).toString('hex');
      const isBuffer = typeof one === 'object' && one !== null && 'data' in one;
      return isBuffer ? Buffer.from(one.data as number[]).toString('hex') : one;
    }),
  );
}

function decodedCodes(verdict: Uint8Array): readonly number[] {
  const count = verdict[1] ?? 0;
  const packed = verdict.indexOf(0x12) === 2;
  return packed ? readColumn(verdict) : Array<number>(count).fill(0);
}

/** The second field of a Verdict: a packed column of numbers. */
function readColumn(verdict: Uint8Array): number[] {
  const length = verdict[3] ?? 0;
  const codes: number[] = [];
  for (let at = 4; at < 4 + length; at += 1) {
    const octet = verdict[at] ?? 0;
    if (octet < 0x80) codes.push(octet);
    else {
      at += 1;
      codes.push((octet & 0x7f) + (verdict[at] ?? 0) * 0x80);
    }
  }
  return codes;
}
