import { CertmillError, maxRequestsPerChunk } from '@certmill/domain';
import type { Verdict } from './chunks.js';
import {
  assertAligned,
  lengthColumn,
  maxValuesBytes,
  maxValuesPerRequest,
  numberColumn,
  requestCount,
  textColumn,
} from './columns.js';
import { MessageReader, undecodable } from './message-reader.js';
import { MessageWriter } from './message-writer.js';

const what = 'Verdict';
const udidBytes = 32;
const maxCode = 0xff;
const fieldOverrides = 11;
const noBytes: Buffer = Buffer.alloc(0);
const noValue = new Uint8Array(0);

/** A later word on one request of a draft: it is rejected after all. */
export interface VerdictChange {
  /** In the chunk, from 0. */
  readonly position: number;
  /** A rejection number, 1-255. */
  readonly code: number;
  readonly detail: string;
}

/** Encodes a verdict as certmill.v1.Verdict. The result is memory of its own. */
export function encodeVerdict(verdict: Verdict): Uint8Array {
  const { codes, details, deviceIds, udids, valuesPerRequest, values } = verdict;
  const count = codes.length;
  assertAligned(what, count, details, deviceIds);
  assertAligned(what, count * valuesPerRequest, values);
  if (udids.length !== count * udidBytes) {
    throw new CertmillError('FAULT_PROCESSING', `${what}: the UDIDs are not aligned`);
  }
  return new MessageWriter()
    .number(1, count)
    .numbers(2, codes)
    .texts(3, 4, details)
    .texts(5, 6, deviceIds)
    .bytes(7, udids)
    .number(8, valuesPerRequest)
    .bytes(9, Buffer.concat(values))
    .numbers(
      10,
      values.map((value) => value.length),
    )
    .finish();
}

/**
 * The draft with changes: its bytes followed by the encoded overrides, for concatenated Protobuf
 * encodings are the encoding of the merged message. Without changes it is the draft itself, not a
 * copy. The draft is not decoded: a position that it does not have shows when it is.
 */
export function amendVerdict(draft: Uint8Array, changes: readonly VerdictChange[]): Uint8Array {
  if (changes.length === 0) return draft;
  const overrides = new MessageWriter();
  for (const { position, code, detail } of changes) {
    const override = new MessageWriter().number(1, position).number(2, code).text(3, detail);
    overrides.message(fieldOverrides, override.finish());
  }
  const tail = overrides.finish();
  const amended = new Uint8Array(draft.length + tail.length);
  amended.set(draft);
  amended.set(tail, draft.length);
  return amended;
}

/**
 * Decodes a certmill.v1.Verdict and applies the overrides in order. An overridden request keeps its
 * device, UDID and values. Only codes and UDIDs are checked at once; the other columns are decoded when
 * first asked for, since most stages need none of them, and a defect of theirs shows there. `udids` and
 * `values` are views into `bytes`. Throws FAULT_EVENT_UNDECODABLE.
 */
export function decodeVerdict(bytes: Uint8Array): Verdict {
  const reader = new MessageReader(bytes, what);
  let sentCount = 0;
  const sentCodes: number[] = [];
  let udids = noBytes;
  let valuesPerRequest = 0;
  const overrides: VerdictChange[] = [];
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    switch (field) {
      case 1:
        sentCount = reader.uint32();
        break;
      case 2:
        reader.numbers(sentCodes, maxRequestsPerChunk);
        break;
      case 7:
        udids = reader.bytes();
        break;
      case 8:
        valuesPerRequest = reader.uint32();
        break;
      case fieldOverrides:
        overrides.push(decodeOverride(reader.bytes()));
        break;
      default:
        reader.skip();
    }
  }
  const count = requestCount(sentCount, what);
  if (valuesPerRequest > maxValuesPerRequest) {
    throw undecodable(`${what}: more than ${String(maxValuesPerRequest)} values per request`);
  }
  if (udids.length !== count * udidBytes) {
    throw undecodable(`${what}: the UDIDs are not aligned with the requests`);
  }
  const codes = numberColumn(sentCodes, count, maxCode, `${what}.codes`);
  let columns: LaterColumns | undefined;
  const later = (): LaterColumns =>
    (columns ??= decodeLaterColumns(bytes, count, valuesPerRequest, overrides));
  return {
    codes: amended(codes, overrides, ({ code }) => code),
    udids,
    valuesPerRequest,
    get details() {
      return later().details;
    },
    get deviceIds() {
      return later().deviceIds;
    },
    get values() {
      return later().values;
    },
  };
}

type LaterColumns = Pick<Verdict, 'details' | 'deviceIds' | 'values'>;

function decodeLaterColumns(
  bytes: Uint8Array,
  count: number,
  valuesPerRequest: number,
  overrides: readonly VerdictChange[],
): LaterColumns {
  const reader = new MessageReader(bytes, what);
  let details = noBytes;
  const detailLengths: number[] = [];
  let deviceIds = noBytes;
  const deviceIdLengths: number[] = [];
  let valueBytes = noBytes;
  const valueLengths: number[] = [];
  const max = maxRequestsPerChunk;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    switch (field) {
      case 3:
        details = reader.bytes();
        break;
      case 4:
        reader.numbers(detailLengths, max);
        break;
      case 5:
        deviceIds = reader.bytes();
        break;
      case 6:
        reader.numbers(deviceIdLengths, max);
        break;
      case 9:
        valueBytes = reader.bytes();
        break;
      case 10:
        reader.numbers(valueLengths, max * maxValuesPerRequest);
        break;
      default:
        reader.skip();
    }
  }
  const lengths = lengthColumn(
    valueLengths,
    count * valuesPerRequest,
    valueBytes,
    maxValuesBytes,
    `${what}.values`,
  );
  const sentDetails = textColumn(details, detailLengths, count, `${what}.details`);
  return {
    details: amended(sentDetails, overrides, ({ detail }) => detail),
    deviceIds: textColumn(deviceIds, deviceIdLengths, count, `${what}.deviceIds`),
    values: viewsOf(valueBytes, lengths),
  };
}

function amended<T>(
  column: readonly T[],
  overrides: readonly VerdictChange[],
  take: (change: VerdictChange) => T,
): readonly T[] {
  if (overrides.length === 0) return column;
  const changed = [...column];
  for (const change of overrides) {
    if (change.position >= column.length) {
      throw undecodable(`${what}: an override is for a request that is not there`);
    }
    if (change.code === 0 || change.code > maxCode) {
      throw undecodable(`${what}: an override has no code`);
    }
    changed[change.position] = take(change);
  }
  return changed;
}

function decodeOverride(bytes: Uint8Array): VerdictChange {
  const reader = new MessageReader(bytes, 'VerdictOverride');
  let position = 0;
  let code = 0;
  let detail = '';
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    switch (field) {
      case 1:
        position = reader.uint32();
        break;
      case 2:
        code = reader.uint32();
        break;
      case 3:
        detail = reader.text();
        break;
      default:
        reader.skip();
    }
  }
  return { position, code, detail };
}

function viewsOf(bytes: Uint8Array, lengths: readonly number[]): readonly Uint8Array[] {
  let at = bytes.byteOffset;
  return lengths.map((length) => {
    if (length === 0) return noValue;
    const view = new Uint8Array(bytes.buffer, at, length);
    at += length;
    return view;
  });
}
