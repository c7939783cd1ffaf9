import { isUtf8 } from 'node:buffer';
import type { AllowListRow } from '@certmill/ports';
import {
  allowListFieldOf,
  allowListRow,
  invalidRow,
  type AllowListField,
} from './allow-list-row.js';
import { CsvSplitter } from './csv-splitter.js';
import { decompress } from './decompress.js';
import { defaultInputLimits } from './input-item.js';
import { LineSplitter } from './line-splitter.js';
import { peekStream } from './peek-stream.js';
import { sniffBytes, sniffCompression } from './sniff-format.js';
import { splitStream } from './split-stream.js';

export type DeviceListFormat = 'csv' | 'ndjson';

/** A row of seven short fields: what is longer is no allow-list. */
const maxRowBytes = 16 * 1024;

const badRecord = {
  'too-long': `the row has more than ${String(maxRowBytes)} octets`,
  'not-utf8': 'the row is not UTF-8',
  'open-quote': 'a quote is not closed',
};

/**
 * The rows of an allow-list, as CSV with a header or as NDJSON, plain, gzip or zstd; the format is
 * told by the first octets where it is not given. Fields: deviceId (device, id), udid (keyHash,
 * spkiSha256; 64 hex digits, colons allowed), serial (serialNumber), model, vendorId (vid),
 * productId (pid; 4 hex digits, 0x allowed), site (factory); their spelling ignores case, spaces,
 * `-` and `_`. Faults: INVALID_INPUT at the first bad row, with line and reason: a list counts as a
 * whole.
 */
export async function* readDevices(
  source: AsyncIterable<Uint8Array>,
  format?: DeviceListFormat,
): AsyncGenerator<AllowListRow> {
  let peeked = await peekStream(source, sniffBytes);
  const compression = sniffCompression(peeked.firstBytes);
  if (compression !== undefined) {
    const decoded = decompress(peeked.stream, compression, defaultInputLimits);
    peeked = await peekStream(decoded, sniffBytes);
  }
  const isJson = /^\uFEFF?\s*\{/.test(Buffer.from(peeked.firstBytes).toString());
  const open = (format ?? (isJson ? 'ndjson' : 'csv')) === 'csv' ? csvRows : jsonRows;
  for await (const rows of splitStream(peeked.stream, open)) yield* rows;
}

function csvRows(add: (row: AllowListRow) => void): CsvSplitter {
  let fields: readonly AllowListField[] | undefined;
  return new CsvSplitter(maxRowBytes, {
    record(cells, lineNumber) {
      if (fields === undefined) {
        fields = cells.map((cell) => allowListFieldOf(cell, lineNumber));
        return;
      }
      if (cells.length > fields.length) throw invalidRow(lineNumber, 'more cells than the header');
      const values = fields.map((field, i) => [field, cells[i] ?? ''] as const);
      add(allowListRow(values, lineNumber));
    },
    bad(reason, lineNumber) {
      throw invalidRow(lineNumber, badRecord[reason]);
    },
  });
}

function jsonRows(add: (row: AllowListRow) => void): LineSplitter {
  return new LineSplitter(maxRowBytes, {
    line(bytes, start, end, lineNumber) {
      const line = bytes.subarray(start, end);
      if (!isUtf8(line)) throw invalidRow(lineNumber, badRecord['not-utf8']);
      const text = line
        .toString()
        .replace(/^\uFEFF/, '')
        .trim();
      if (text !== '') add(allowListRow(membersOf(text, lineNumber), lineNumber));
    },
    tooLong(lineNumber) {
      throw invalidRow(lineNumber, badRecord['too-long']);
    },
  });
}

function membersOf(text: string, lineNumber: number): (readonly [AllowListField, string])[] {
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidRow(lineNumber, 'the line is not a JSON object');
  }
  return Object.entries(value).flatMap(([name, member]: [string, unknown]) => {
    const field = allowListFieldOf(name, lineNumber);
    if (member === null) return [];
    if (typeof member !== 'string') throw invalidRow(lineNumber, `${field} is not a text`);
    return [[field, member] as const];
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
