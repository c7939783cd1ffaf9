import { fstatSync } from 'node:fs';
import { CertmillError } from '@certmill/domain';
import { wordsPerEntry } from './entry.js';
import { isPageIntact, pageBytes, pageWords, payloadWords, sealPage } from './page.js';
import { readWhole } from './whole-io.js';

/**
 * A run file: entries in key order, of equal keys the newest first, never changed once written.
 *
 *   header page | data pages | Bloom filter | fences (first word of each data page's first key)
 *
 * Every page but the last is full, so an entry's page follows from its position.
 */
export const entriesPerPage = Math.floor(payloadWords / wordsPerEntry);
export const dataAt = pageBytes;

/** 'map': one value per key, a zero value is a release. 'multi-map': all values are kept. */
export type RunKind = 'map' | 'multi-map';

export interface RunHeader {
  readonly kind: RunKind;
  /** How many merges lie behind it: 0 as flushed. */
  readonly level: number;
  readonly count: number;
  readonly filterWords: number;
  readonly filterCrc: number;
  readonly fencesCrc: number;
}

/** Read through a typed array, so a machine of other endianness sees another number. */
const magic = 0x4e52_4d43;
const formatVersion = 1;
const kinds: readonly RunKind[] = ['map', 'multi-map'];

export function pagesOf(header: Pick<RunHeader, 'count'>): number {
  return Math.ceil(header.count / entriesPerPage);
}

export function filterAt(header: Pick<RunHeader, 'count'>): number {
  return dataAt + pagesOf(header) * pageBytes;
}

export function fencesAt(header: Pick<RunHeader, 'count' | 'filterWords'>): number {
  return filterAt(header) + header.filterWords * 4;
}

/** Length of the whole file in octets. */
export function runBytes(header: Pick<RunHeader, 'count' | 'filterWords'>): number {
  return fencesAt(header) + pagesOf(header) * 4;
}

export function encodeRunHeader(header: RunHeader): Uint8Array {
  const words = new Int32Array(pageWords);
  const bytes = new Uint8Array(words.buffer);
  words.set([
    magic,
    formatVersion,
    kinds.indexOf(header.kind),
    header.level,
    header.count,
    header.filterWords,
    header.filterCrc,
    header.fencesCrc,
  ]);
  sealPage(words, bytes, 0, 0);
  return bytes;
}

/**
 * The header of an open run file, checked against the file's length.
 * Faults: FAULT_STORE_CORRUPT, DATA_FORMAT_UNSUPPORTED (written by a newer Certmill).
 */
export function readRunHeader(fd: number, path: string): RunHeader {
  const words = new Int32Array(pageWords);
  const bytes = new Uint8Array(words.buffer);
  if (!readWhole(fd, bytes, 0) || words[0] !== magic || !isPageIntact(words, bytes, 0, 0)) {
    throw new CertmillError('FAULT_STORE_CORRUPT', `${path} has no intact header of a run file`);
  }
  const version = words[1] as number;
  if (version !== formatVersion) {
    throw new CertmillError(
      'DATA_FORMAT_UNSUPPORTED',
      `${path} has run format ${String(version)}, this version reads ${String(formatVersion)}`,
    );
  }
  const header: RunHeader = {
    kind: kinds[words[2] as number] ?? 'map',
    level: words[3] as number,
    count: (words[4] as number) >>> 0,
    filterWords: (words[5] as number) >>> 0,
    filterCrc: words[6] as number,
    fencesCrc: words[7] as number,
  };
  const { size } = fstatSync(fd);
  if (size !== runBytes(header)) {
    throw new CertmillError(
      'FAULT_STORE_CORRUPT',
      `${path} has ${String(size)} octets instead of ${String(runBytes(header))}`,
    );
  }
  return header;
}
