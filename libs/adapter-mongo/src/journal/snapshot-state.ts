import { CertmillError, isCertmillError } from '@certmill/domain';
import { MessageReader, MessageWriter } from '@certmill/events';
import { mapNames, type JournalPlace, type MapName } from './view-runs.js';

/** A run file of a snapshot. */
export interface SnapshotRun {
  readonly map: MapName;
  readonly blobId: string;
  readonly bytes: number;
  readonly sha256: Uint8Array;
}

/** A blob that no snapshot needs any more, for those who began to read an older one. */
export interface RetiredBlob {
  readonly blobId: string;
  readonly sinceMs: number;
}

/** The newest snapshot of a shard and what is left of older ones. */
export interface SnapshotState {
  readonly place: JournalPlace;
  /** Of each map oldest first. */
  readonly runs: readonly SnapshotRun[];
  readonly retired: readonly RetiredBlob[];
}

/** Readers take this version and the one before. There was none before 1. */
const formatVersion = 1;

/**
 * A Protobuf message: 1 version, 2 entry number, 3 and 4 the chain before and after it, 5 runs (1 map,
 * 2 blob id, 3 octets, 4 SHA-256), 6 retired blobs (1 blob id, 2 since when).
 */
export function encodeSnapshotState({ place, runs, retired }: SnapshotState): Uint8Array {
  const writer = new MessageWriter()
    .number(1, formatVersion)
    .number(2, place.seq)
    .bytes(3, place.before)
    .bytes(4, place.chain);
  for (const { map, blobId, bytes, sha256 } of runs) {
    const run = new MessageWriter()
      .number(1, mapNames.indexOf(map))
      .text(2, blobId)
      .number(3, bytes)
      .bytes(4, sha256);
    writer.message(5, run.finish());
  }
  for (const { blobId, sinceMs } of retired) {
    writer.message(6, new MessageWriter().text(1, blobId).number(2, sinceMs).finish());
  }
  return writer.finish();
}

/** Faults: FAULT_STORE_CORRUPT, DATA_FORMAT_UNSUPPORTED (written by a newer Certmill). */
export function decodeSnapshotState(encoded: Uint8Array): SnapshotState {
  try {
    return decode(encoded);
  } catch (error) {
    if (!isCertmillError(error) || error.code !== 'FAULT_EVENT_UNDECODABLE') throw error;
    throw new CertmillError('FAULT_STORE_CORRUPT', 'a snapshot of a journal cannot be read', {
      cause: error,
    });
  }
}

function decode(encoded: Uint8Array): SnapshotState {
  const reader = new MessageReader(encoded, 'SnapshotState');
  const place = { seq: 0, before: new Uint8Array(), chain: new Uint8Array() };
  const runs: SnapshotRun[] = [];
  const retired: RetiredBlob[] = [];
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) assertVersion(reader.uint32());
    else if (field === 2) place.seq = reader.integer();
    else if (field === 3) place.before = new Uint8Array(reader.bytes());
    else if (field === 4) place.chain = new Uint8Array(reader.bytes());
    else if (field === 5) runs.push(decodeRun(reader.bytes()));
    else if (field === 6) retired.push(decodeRetired(reader.bytes()));
    else reader.skip();
  }
  return { place, runs, retired };
}

function assertVersion(version: number): void {
  if (version <= formatVersion) return;
  throw new CertmillError(
    'DATA_FORMAT_UNSUPPORTED',
    `a snapshot has format ${String(version)}, this version reads ${String(formatVersion)}`,
  );
}

function decodeRun(encoded: Uint8Array): SnapshotRun {
  const reader = new MessageReader(encoded, 'SnapshotRun');
  const run = { map: 0, blobId: '', bytes: 0, sha256: new Uint8Array() };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) run.map = reader.uint32();
    else if (field === 2) run.blobId = reader.text();
    else if (field === 3) run.bytes = reader.integer();
    else if (field === 4) run.sha256 = new Uint8Array(reader.bytes());
    else reader.skip();
  }
  const map = mapNames[run.map];
  if (map === undefined) {
    throw new CertmillError('FAULT_STORE_CORRUPT', 'a snapshot has a run of no known map');
  }
  return { ...run, map };
}

function decodeRetired(encoded: Uint8Array): RetiredBlob {
  const reader = new MessageReader(encoded, 'RetiredBlob');
  const blob = { blobId: '', sinceMs: 0 };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) blob.blobId = reader.text();
    else if (field === 2) blob.sinceMs = reader.integer();
    else reader.skip();
  }
  return blob;
}
