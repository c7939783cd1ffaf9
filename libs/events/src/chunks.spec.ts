import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { maxRequestsPerChunk } from '@certmill/domain';
import fc from 'fast-check';
import { aReceivedChunk, aVerdict } from './chunk-builders.fixture.js';
import {
  IssuedChunkSchema,
  PublishedChunkSchema,
  ReceivedChunkSchema,
  ValidatedChunkSchema,
  VerdictSchema,
} from './generated/certmill/v1/chunks_pb.js';
import {
  amendVerdict,
  decodeIssuedChunk,
  decodePublishedChunk,
  decodeReceivedChunk,
  decodeReceivedHead,
  decodeValidatedChunk,
  decodeVerdict,
  encodeIssuedChunk,
  encodePublishedChunk,
  encodeReceivedChunk,
  encodeValidatedChunk,
  encodeVerdict,
} from './index.js';

const undecodable = expect.objectContaining({ code: 'FAULT_EVENT_UNDECODABLE' }) as Error;
const anIssuedChunk = {
  received: encodeReceivedChunk(aReceivedChunk()),
  verdict: encodeVerdict(aVerdict()),
  certificatesDer: Uint8Array.from({ length: 30 }, (_, i) => i),
  certificateLengths: [10, 0, 20],
  endedBy: 0,
  endedDetail: '',
};
const aPublishedChunk = {
  tenant: 'acme',
  orderId: 'o-1',
  batchId: '00112233445566778899aabbcc',
  chunkNumber: 3,
};

/** Bytes as hex, whatever kind of array holds them: values are compared, not classes. */
function plain(value: unknown): unknown {
  const text = JSON.stringify(value, (_, entry: unknown) =>
    ArrayBuffer.isView(entry)
      ? Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength).toString('hex')
      : isBufferJson(entry)
        ? Buffer.from(entry.data).toString('hex')
        : entry,
  );
  return JSON.parse(text);
}

function isBufferJson(value: unknown): value is { data: number[] } {
  return typeof value === 'object' && value !== null && 'type' in value && 'data' in value;
}

const decoders: Readonly<Record<string, (bytes: Uint8Array) => unknown>> = {
  'received-chunk': decodeReceivedChunk,
  verdict: decodeVerdict,
  'validated-chunk': decodeValidatedChunk,
  'issued-chunk': decodeIssuedChunk,
  'published-chunk': decodePublishedChunk,
};

describe('a chunk', () => {
  it.each([0, 1, 3, 256, maxRequestsPerChunk])(
    'of %d requests decodes to what was encoded',
    (count) => {
      // The largest number of requests has room for 512 octets each.
      const requestLengths = Array.from({ length: count }, (_, i) => i % 500);
      const total = requestLengths.reduce((sum, length) => sum + length, 0);
      const chunk = aReceivedChunk({ requestsDer: Buffer.alloc(total, 7), requestLengths }, count);
      expect(plain(decodeReceivedChunk(encodeReceivedChunk(chunk)))).toEqual(plain(chunk));
      const verdict = aVerdict({}, count);
      expect(plain(decodeVerdict(encodeVerdict(verdict)))).toEqual(plain(verdict));
    },
  );

  it.each([{}, { vendorId: 'FFF1' }, { vendorId: 'FFF1', productId: '8000' }])(
    'decodes with the ids that its devices are held to, %j',
    (heldIds) => {
      const bytes = encodeReceivedChunk(aReceivedChunk({ heldIds }));
      const expected = Object.keys(heldIds).length === 0 ? undefined : heldIds;
      expect(decodeReceivedChunk(bytes).heldIds).toEqual(expected);
      expect(decodeReceivedHead(bytes).heldIds).toEqual(expected);
    },
  );

  it('decodes to what was encoded for any device ids and details', () => {
    const texts = fc.array(fc.string({ unit: 'grapheme', maxLength: 30 }), {
      minLength: 3,
      maxLength: 3,
    });
    fc.assert(
      fc.property(texts, texts, (deviceIds, rejectionDetails) => {
        const chunk = aReceivedChunk({ deviceIds, rejectionDetails });
        expect(plain(decodeReceivedChunk(encodeReceivedChunk(chunk)))).toEqual(plain(chunk));
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it('decodes when it was issued or published', () => {
    expect(plain(decodeIssuedChunk(encodeIssuedChunk(anIssuedChunk)))).toEqual(
      plain(anIssuedChunk),
    );
    expect(decodePublishedChunk(encodePublishedChunk(aPublishedChunk))).toEqual(aPublishedChunk);
  });

  it('is decoded into views, not copies', () => {
    const bytes = encodeReceivedChunk(aReceivedChunk());
    expect(decodeReceivedChunk(bytes).requestsDer.buffer).toBe(bytes.buffer);
    const verdict = encodeVerdict(aVerdict());
    expect(decodeVerdict(verdict).values[1]?.buffer).toBe(verdict.buffer);
  });

  it('decodes from a SharedArrayBuffer', () => {
    const bytes = encodeReceivedChunk(aReceivedChunk());
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
    shared.set(bytes);
    expect(plain(decodeReceivedChunk(shared))).toEqual(plain(aReceivedChunk()));
  });
});

describe('the generated schema', () => {
  it('reads what the codecs write', () => {
    const chunk = fromBinary(ReceivedChunkSchema, encodeReceivedChunk(aReceivedChunk()));
    expect(chunk).toMatchObject({
      tenant: 'acme',
      lane: 1,
      requestCount: 3,
      requestLengths: [100, 0, 102],
      receivedAtMs: 1_795_000_000_123n,
      rejections: [0, 3, 0],
      sourceLengths: [0, 7, 0],
    });
    const amended = amendVerdict(encodeVerdict(aVerdict()), [
      { position: 2, code: 14, detail: 'd' },
    ]);
    expect(fromBinary(VerdictSchema, amended)).toMatchObject({
      codes: [0, 3, 0],
      overrides: [{ position: 2, code: 14, detail: 'd' }],
    });
    expect(fromBinary(IssuedChunkSchema, encodeIssuedChunk(anIssuedChunk))).toMatchObject({
      certificateLengths: [10, 0, 20],
    });
  });

  it('writes byte for byte what the codecs write', () => {
    const pairs = [
      [ReceivedChunkSchema, encodeReceivedChunk(aReceivedChunk())],
      [VerdictSchema, encodeVerdict(aVerdict())],
      [ValidatedChunkSchema, encodeValidatedChunk(anIssuedChunk)],
      [IssuedChunkSchema, encodeIssuedChunk(anIssuedChunk)],
      [PublishedChunkSchema, encodePublishedChunk(aPublishedChunk)],
    ] as const;
    for (const [schema, bytes] of pairs) {
      const again = toBinary(schema, fromBinary(schema, bytes));
      expect(Buffer.from(again).equals(bytes)).toBe(true);
    }
  });
});

describe('an amended verdict', () => {
  const draft = encodeVerdict(aVerdict());

  it('is the draft itself without changes', () => {
    expect(amendVerdict(draft, [])).toBe(draft);
  });

  it('begins with the draft and decodes with the changes applied in order', () => {
    const amended = amendVerdict(draft, [
      { position: 0, code: 17, detail: 'first' },
      { position: 2, code: 14, detail: '' },
      { position: 0, code: 9, detail: 'last' },
    ]);
    expect(Buffer.from(amended.subarray(0, draft.length)).equals(draft)).toBe(true);
    expect(decodeVerdict(amended)).toMatchObject({
      codes: [9, 3, 14],
      details: ['last', 'a private key', ''],
    });
  });

  it.each([
    { position: 3, code: 1, detail: '' },
    { position: 0, code: 0, detail: '' },
    { position: 0, code: 256, detail: '' },
  ])('is undecodable with the change $position to $code', (change) => {
    expect(() => decodeVerdict(amendVerdict(draft, [change]))).toThrow(undecodable);
  });
});

describe('bytes that are no chunk', () => {
  const whole = encodeReceivedChunk(aReceivedChunk());

  it('are undecodable when cut off anywhere', () => {
    for (let length = 0; length < whole.length; length++) {
      let outcome: unknown = 'decoded';
      try {
        decodeReceivedChunk(whole.subarray(0, length));
      } catch (error) {
        outcome = error;
      }
      // Columns that are all default may be absent: only a cut before the last of them shows.
      if (outcome !== 'decoded') expect(outcome).toEqual(undecodable);
    }
    expect(() => decodeReceivedChunk(whole.subarray(0, whole.length - 1))).toThrow(undecodable);
  });

  it('decode or are undecodable, whatever octet is changed', () => {
    const samples = Object.entries({
      'received-chunk': whole,
      verdict: amendVerdict(encodeVerdict(aVerdict()), [{ position: 0, code: 9, detail: 'd' }]),
      'issued-chunk': encodeIssuedChunk(anIssuedChunk),
      'published-chunk': encodePublishedChunk(aPublishedChunk),
    });
    for (const [name, bytes] of samples) {
      for (let i = 0; i < bytes.length; i++) {
        for (const octet of [0x00, 0x7f, 0x80, 0xff, (bytes[i] ?? 0) ^ 1]) {
          const mutant = Uint8Array.from(bytes);
          mutant[i] = octet;
          try {
            decoders[name]?.(mutant);
          } catch (error) {
            expect(error).toEqual(undecodable);
          }
        }
      }
    }
  });

  it.each([
    ['a column of another length', { rejections: [0, 0] }],
    ['lengths that do not add up', { requestLengths: [100, 0, 103] }],
    ['more than 1,024 requests', {}],
    ['more than 512 KiB', {}],
    ['a batch id of another length', { batchId: '0011' }],
    ['a profile hash of another length', { profileHash: 'abcd' }],
    ['a serial-key id out of range', { serialKeyId: 128 }],
    ['an index over 24 bits', { firstIndex: 0xff_ffff }],
    ['no tenant', { tenant: '' }],
  ])('are refused: %s', (what, overrides) => {
    const size = 512 * 1024 + 1;
    const chunk =
      what === 'more than 1,024 requests'
        ? aReceivedChunk({}, maxRequestsPerChunk + 1)
        : what === 'more than 512 KiB'
          ? aReceivedChunk({ requestsDer: new Uint8Array(size), requestLengths: [size, 0, 0] })
          : aReceivedChunk(overrides);
    if (what === 'a column of another length') {
      expect(() => encodeReceivedChunk(chunk)).toThrow(
        expect.objectContaining({ code: 'FAULT_PROCESSING' }) as Error,
      );
    } else {
      expect(() => decodeReceivedChunk(encodeReceivedChunk(chunk))).toThrow(undecodable);
    }
  });

  it('are refused: an unknown lane, certificates in a chunk that ended unsigned', () => {
    const lane = toBinary(ReceivedChunkSchema, {
      ...fromBinary(ReceivedChunkSchema, whole),
      lane: 3,
    });
    expect(() => decodeReceivedChunk(lane)).toThrow(undecodable);
    const ended = encodeIssuedChunk({ ...anIssuedChunk, endedBy: 20 });
    expect(() => decodeIssuedChunk(ended)).toThrow(undecodable);
  });

  it('are read past a field of a later release', () => {
    const later = Buffer.concat([whole, Buffer.from([0xf8, 0x06, 0x96, 0x01])]);
    expect(plain(decodeReceivedChunk(later))).toEqual(plain(aReceivedChunk()));
  });
});

describe('the golden fixtures', () => {
  const folder = join(import.meta.dirname, '../fixtures/v1');
  const files = readdirSync(folder).filter((name) => name.endsWith('.binpb'));

  it('are there for every event', () => {
    const events = new Set(files.map((name) => name.replace(/\..*$/, '')));
    expect([...events].sort()).toEqual(Object.keys(decoders).sort());
  });

  it.each(files)('%s decodes to what is written beside it', (name) => {
    const bytes = readFileSync(join(folder, name));
    const expected: unknown = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'));
    expect(plain(decoders[name.replace(/\..*$/, '')]?.(bytes))).toEqual(expected);
  });

  it('were never edited', () => {
    const sums = readFileSync(join(folder, 'SHA256SUMS'), 'utf8').trim().split('\n');
    const actual = readdirSync(folder)
      .filter((name) => name !== 'SHA256SUMS')
      .sort()
      .map((name) => {
        const sum = createHash('sha256')
          .update(readFileSync(join(folder, name)))
          .digest('hex');
        return `${sum}  ${name}`;
      });
    expect(actual).toEqual(sums);
  });
});
