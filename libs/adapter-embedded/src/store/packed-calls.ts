import type { ChunkRef } from '@certmill/domain';
import { udidBytes } from '@certmill/packed';
import type { AllowListQuery, AllowListRow, Decision, TerminalChunk } from '@certmill/ports';

/**
 * The calls of the hot path as they go to the store thread: octets in one transferred buffer, device
 * ids as one string. Structured clone would copy the whole memory behind every view.
 */
export interface PackedColumns {
  /** Octets back to back: document, UDIDs, codes. Its buffer is transferred. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly documentBytes: number;
  readonly udidBytes: number;
  readonly deviceIds: string;
  /** In UTF-16 units. */
  readonly deviceIdLengths: readonly number[];
}

export type PackedDecision = Omit<Decision, 'draft' | 'codes' | 'udids' | 'deviceIds'> & {
  readonly columns: PackedColumns;
};

export type PackedTerminal = Omit<TerminalChunk, 'segment' | 'codes' | 'udids' | 'deviceIds'> & {
  readonly columns: PackedColumns;
};

/** Only what names the chunk: callers pass whole chunks as references. */
export function chunkRefOf(chunk: ChunkRef): ChunkRef {
  return { tenant: chunk.tenant, batchId: chunk.batchId, chunkNumber: chunk.chunkNumber };
}

/** Queries of an allow-list as columns; an absent device id is ''. */
export interface PackedQueries {
  /** 32 octets each, back to back. Its buffer is transferred. */
  readonly udids: Uint8Array<ArrayBuffer>;
  readonly deviceIds: string;
  /** In UTF-16 units. */
  readonly deviceIdLengths: readonly number[];
}

export function packQueries(queries: readonly AllowListQuery[]): PackedQueries {
  const udids = new Uint8Array(queries.length * udidBytes);
  queries.forEach(({ udid }, i) => {
    udids.set(udid, i * udidBytes);
  });
  const deviceIds = queries.map(({ deviceId }) => deviceId ?? '');
  return {
    udids,
    deviceIds: deviceIds.join(''),
    deviceIdLengths: deviceIds.map((deviceId) => deviceId.length),
  };
}

export function unpackQueries({
  udids,
  deviceIds,
  deviceIdLengths,
}: PackedQueries): AllowListQuery[] {
  let at = 0;
  return deviceIdLengths.map((length, i) => {
    const deviceId = deviceIds.slice(at, (at += length));
    const udid = udids.subarray(i * udidBytes, (i + 1) * udidBytes);
    return deviceId === '' ? { udid } : { deviceId, udid };
  });
}

/** Rows as JSON: one string costs a tenth of what a clone of hundreds of objects does. */
export function packRows(rows: readonly (AllowListRow | undefined)[]): string {
  return JSON.stringify(rows);
}

export function unpackRows(packed: string): (AllowListRow | undefined)[] {
  const rows = JSON.parse(packed) as (AllowListRow | null)[];
  return rows.map((row) => row ?? undefined);
}

export function packDecision(decision: Decision): PackedDecision {
  const { orderId, profileName, firstIndex, nowMs, receivedAtMs, draft, expectedHolders } =
    decision;
  return {
    chunk: chunkRefOf(decision.chunk),
    orderId,
    profileName,
    firstIndex,
    nowMs,
    receivedAtMs,
    ...(expectedHolders === undefined ? {} : { expectedHolders }),
    columns: packColumns(draft, decision),
  };
}

export function unpackDecision({ columns, ...rest }: PackedDecision): Decision {
  const { document, ...unpacked } = unpackColumns(columns);
  return { ...rest, ...unpacked, draft: document };
}

/** Without releases nobody asks which devices they were. */
const nobody = { udids: new Uint8Array(), deviceIds: [] };

export function packTerminal(terminal: TerminalChunk): PackedTerminal {
  const { orderId, profileName, lane, firstIndex, endedAs, released } = terminal;
  const { notAfterMs, publishedAtMs, receivedAtMs, segment } = terminal;
  return {
    chunk: chunkRefOf(terminal.chunk),
    orderId,
    profileName,
    lane,
    firstIndex,
    endedAs,
    released,
    ...(notAfterMs === undefined ? {} : { notAfterMs }),
    publishedAtMs,
    receivedAtMs,
    columns: packColumns(
      segment,
      released.length > 0 ? terminal : { ...nobody, codes: terminal.codes },
    ),
  };
}

export function unpackTerminal({ columns, ...rest }: PackedTerminal): TerminalChunk {
  const { document, ...unpacked } = unpackColumns(columns);
  return { ...rest, ...unpacked, segment: document };
}

function packColumns(
  document: Uint8Array,
  columns: Pick<Decision, 'codes' | 'udids' | 'deviceIds'>,
): PackedColumns {
  const { codes, udids, deviceIds } = columns;
  const bytes = new Uint8Array(document.length + udids.length + codes.length);
  bytes.set(document);
  bytes.set(udids, document.length);
  bytes.set(codes, document.length + udids.length);
  return {
    bytes,
    documentBytes: document.length,
    udidBytes: udids.length,
    deviceIds: deviceIds.join(''),
    deviceIdLengths: deviceIds.map((deviceId) => deviceId.length),
  };
}

function unpackColumns(packed: PackedColumns) {
  const { bytes, documentBytes, deviceIdLengths } = packed;
  const udidEnd = documentBytes + packed.udidBytes;
  let at = 0;
  return {
    document: bytes.subarray(0, documentBytes),
    udids: bytes.subarray(documentBytes, udidEnd),
    codes: Array.from(bytes.subarray(udidEnd)),
    deviceIds: deviceIdLengths.map((length) => packed.deviceIds.slice(at, (at += length))),
  };
}
