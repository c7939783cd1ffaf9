import type { Examination } from '@certmill/ports';

/**
 * An Examination packed into one buffer, so that it moves between threads without a clone per value.
 * Layout, all offsets from the layout's own counts:
 *   u32 count n, u32 columns c, u32 1 where every cell is ASCII text,
 *   i32 per cell (details n, device ids n, CSR values n * c): -1 absent, else octets * 2, + 1 for bytes,
 *   codes (1 octet each), UDIDs (32 octets each), the cells' octets back to back (text as UTF-8).
 */
const headerBytes = 12;
const cellBytes = 4;
const absent = -1;
const udidBytes = 32;

type Cell = string | Uint8Array | undefined;

let scratch = Buffer.allocUnsafe(64 * 1024);

function reserve(used: number, needed: number): void {
  if (used + needed <= scratch.length) return;
  const larger = Buffer.allocUnsafe(Math.max(scratch.length * 2, used + needed));
  scratch.copy(larger, 0, 0, used);
  scratch = larger;
}

/** Worker side; the result is the caller's. */
export function packExamination(examination: Examination): ArrayBuffer {
  const { codes, details, udids, deviceIds, csrValues } = examination;
  const count = codes.length;
  // A request that was rejected early may have fewer values than the others.
  const columns = csrValues.reduce((most, row) => Math.max(most, row.length), 0);
  const cellsAt = headerBytes;
  const codesAt = cellsAt + (2 + columns) * count * cellBytes;
  const dataAt = codesAt + count + count * udidBytes;
  reserve(0, dataAt);
  scratch.set(codes, codesAt);
  scratch.set(udids, codesAt + count);

  let cellAt = cellsAt;
  let end = dataAt;
  /** Octets beyond one per character: none where all is ASCII text. */
  let extraOctets = 0;
  const put = (cell: Cell): void => {
    if (cell === undefined) {
      scratch.writeInt32LE(absent, cellAt);
    } else if (typeof cell === 'string') {
      reserve(end, cell.length * 3);
      const octets = cell.length === 0 ? 0 : scratch.write(cell, end, 'utf8');
      extraOctets += octets - cell.length;
      scratch.writeInt32LE(octets * 2, cellAt);
      end += octets;
    } else {
      reserve(end, cell.length);
      scratch.set(cell, end);
      extraOctets += cell.length;
      scratch.writeInt32LE(cell.length * 2 + 1, cellAt);
      end += cell.length;
    }
    cellAt += cellBytes;
  };
  for (const detail of details) put(detail);
  for (const deviceId of deviceIds) put(deviceId);
  for (const row of csrValues) {
    for (let column = 0; column < columns; column++) put(row[column]);
  }

  scratch.writeUInt32LE(count, 0);
  scratch.writeUInt32LE(columns, 4);
  scratch.writeUInt32LE(extraOctets === 0 ? 1 : 0, 8);
  const packed = new ArrayBuffer(end);
  new Uint8Array(packed).set(scratch.subarray(0, end));
  return packed;
}

/** Main side; byte values and UDIDs are views into `packed`. */
export function unpackExamination(packed: ArrayBuffer): Examination {
  const bytes = Buffer.from(packed);
  const count = bytes.readUInt32LE(0);
  const columns = bytes.readUInt32LE(4);
  const isAscii = bytes.readUInt32LE(8) === 1;
  const codesAt = headerBytes + (2 + columns) * count * cellBytes;
  const udidsAt = codesAt + count;
  let at = udidsAt + count * udidBytes;
  // One string for all text: a slice of it costs a fraction of a decode.
  const text = isAscii ? bytes.toString('latin1', at) : '';
  const textAt = at;

  let cellAt = headerBytes;
  const take = (): Cell => {
    const size = bytes.readInt32LE(cellAt);
    cellAt += cellBytes;
    if (size === absent) return undefined;
    const start = at;
    at += size >> 1;
    if ((size & 1) === 1) return bytes.subarray(start, at);
    if (size === 0) return '';
    return isAscii ? text.slice(start - textAt, at - textAt) : bytes.toString('utf8', start, at);
  };
  const takeTexts = (): string[] => {
    const texts = new Array<string>(count);
    for (let i = 0; i < count; i++) {
      const cell = take();
      texts[i] = typeof cell === 'string' ? cell : '';
    }
    return texts;
  };

  const details = takeTexts();
  const deviceIds = takeTexts();
  const csrValues = new Array<readonly Cell[]>(count);
  for (let i = 0; i < count; i++) {
    const row = new Array<Cell>(columns);
    for (let column = 0; column < columns; column++) row[column] = take();
    csrValues[i] = row;
  }
  return {
    codes: Array.from(bytes.subarray(codesAt, udidsAt)),
    details,
    udids: bytes.subarray(udidsAt, udidsAt + count * udidBytes),
    deviceIds,
    csrValues,
  };
}
