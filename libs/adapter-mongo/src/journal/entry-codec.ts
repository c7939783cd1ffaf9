import { hash } from 'node:crypto';
import {
  CertmillError,
  isCertmillError,
  maxRequestsPerChunk,
  type ChunkRef,
  type OrderId,
} from '@certmill/domain';
import { decodeVerdict, MessageReader, MessageWriter } from '@certmill/events';
import { requestKeysBytes } from '@certmill/packed';
import {
  chainBytes,
  maxItemsPerEntry,
  maxRequestsPerEntry,
  type DecisionItem,
  type JournalEntry,
  type JournalItem,
  type ReleaseItem,
} from './journal-entry.js';
import type { StoredEntry } from './journal-storage.js';

/** Readers take this version and the one before. There was none before 1. */
const formatVersion = 1;
const kinds: readonly (JournalItem['kind'] | undefined)[] = [
  undefined,
  'decision',
  'giving-back',
  'claim-release',
  'key-block',
];
const digestBytes = 32;

/** What a head tells of a decision. */
export interface DecidedChunk {
  readonly chunk: ChunkRef;
  readonly orderId: OrderId;
  readonly profileName: string;
  readonly firstIndex: number;
  readonly count: number;
  /** Where its first request is in the entry. */
  readonly start: number;
}

export interface EntryHead {
  readonly previous: Uint8Array;
  readonly decided: readonly DecidedChunk[];
}

/** A decision with what follows from its verdict. */
export interface DecodedDecision extends DecisionItem {
  readonly start: number;
  /** In the chunk, in order; `keys` are theirs. */
  readonly accepted: readonly number[];
}

export interface DecodedEntry {
  readonly previous: Uint8Array;
  readonly items: readonly (DecodedDecision | ReleaseItem)[];
}

/**
 * Two Protobuf messages. Head: 1 version, 2 previous chain, 3 SHA-256 of the body, 4 items (1 kind,
 * 2 tenant, 3 batch id, 4 chunk number, 5 order id, 6 profile name, 7 first index, 8 count, 9 renews). Body:
 * 1 items, aligned with the head's (1 verdict, 2 keys, 3 positions).
 */
export function encodeEntry({ previous, items }: JournalEntry): StoredEntry {
  const body = new MessageWriter();
  const head = new MessageWriter().number(1, formatVersion).bytes(2, previous);
  const heads = items.map((item) => {
    const contents = new MessageWriter();
    if (item.kind === 'decision') contents.bytes(1, item.verdict);
    contents.bytes(2, item.keys);
    if (item.kind !== 'decision') contents.numbers(3, item.positions);
    body.message(1, contents.finish());
    return encodeHeadItem(item);
  });
  const encoded = body.finish();
  head.bytes(3, hash('sha256', encoded, 'buffer'));
  for (const one of heads) head.message(4, one);
  return { head: head.finish(), body: encoded };
}

function encodeHeadItem(item: JournalItem): Uint8Array {
  const { tenant, batchId, chunkNumber } = item.chunk;
  const writer = new MessageWriter()
    .number(1, kinds.indexOf(item.kind))
    .text(2, tenant)
    .text(3, batchId)
    .number(4, chunkNumber)
    .text(5, item.orderId);
  if (item.kind !== 'decision') return writer.number(8, item.positions.length).finish();
  return writer
    .text(6, item.profileName)
    .number(7, item.firstIndex)
    .number(8, item.count)
    .number(9, item.renews ? 1 : 0)
    .finish();
}

interface HeadItem extends Omit<DecidedChunk, 'start'> {
  readonly kind: JournalItem['kind'];
  readonly renews: boolean;
}

interface Head {
  readonly previous: Uint8Array;
  readonly bodyDigest: Uint8Array;
  readonly items: readonly HeadItem[];
}

/** Faults: FAULT_STORE_CORRUPT, DATA_FORMAT_UNSUPPORTED (written by a newer Certmill). */
export function decodeEntryHead(bytes: Uint8Array): EntryHead {
  return decoding(() => {
    const { previous, items } = decodeHead(bytes);
    let start = 0;
    const decided = items.flatMap(({ kind, renews: _renews, ...item }) => {
      if (kind !== 'decision') return [];
      const at = start;
      start += item.count;
      return [{ ...item, start: at }];
    });
    return { previous, decided };
  });
}

/** All of it is checked here: what comes back can be folded. Faults: as above. */
export function decodeEntry({ head, body }: StoredEntry): DecodedEntry {
  return decoding(() => {
    const { previous, bodyDigest, items } = decodeHead(head);
    if (!hash('sha256', body, 'buffer').equals(bodyDigest)) throw corrupt('its body is another');
    const contents = decodeBody(body);
    if (contents.length !== items.length) throw corrupt('head and body do not match');
    let start = 0;
    const joined = items.map((item, i) => {
      const content = contents[i] as BodyItem;
      if (item.kind !== 'decision') return releaseOf(item, item.kind, content);
      const at = start;
      start += item.count;
      return decisionOf(item, at, content);
    });
    return { previous, items: joined };
  });
}

function decisionOf(item: HeadItem, start: number, { verdict, keys }: BodyItem): DecodedDecision {
  const { codes } = decodeVerdict(verdict);
  const accepted: number[] = [];
  for (const [position, code] of codes.entries()) if (code === 0) accepted.push(position);
  if (codes.length !== item.count || keys.length !== accepted.length * requestKeysBytes) {
    throw corrupt('a decision does not match its verdict');
  }
  return { ...item, kind: 'decision', verdict, keys, start, accepted };
}

function releaseOf(
  { chunk, orderId, count }: HeadItem,
  kind: ReleaseItem['kind'],
  { positions, keys }: BodyItem,
): ReleaseItem {
  // A column of zeros is not written.
  const sent = positions.length === 0 ? Array<number>(count).fill(0) : positions;
  if (sent.length !== count || keys.length !== count * requestKeysBytes) {
    throw corrupt('a release is not aligned');
  }
  return { kind, chunk, orderId, positions: sent, keys };
}

function decodeHead(bytes: Uint8Array): Head {
  const reader = new MessageReader(bytes, 'JournalHead');
  let version = 0;
  let previous: Uint8Array = new Uint8Array();
  let bodyDigest: Uint8Array = new Uint8Array();
  const items: HeadItem[] = [];
  let requests = 0;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) {
      version = reader.uint32();
      if (version > formatVersion) throw unsupported(version);
    } else if (field === 2) previous = reader.bytes();
    else if (field === 3) bodyDigest = reader.bytes();
    else if (field === 4) {
      const item = decodeHeadItem(reader.bytes());
      items.push(item);
      requests += item.count;
    } else reader.skip();
  }
  if (version === 0 || previous.length !== chainBytes || bodyDigest.length !== digestBytes) {
    throw corrupt('its head is not whole');
  }
  if (items.length > maxItemsPerEntry || requests > maxRequestsPerEntry) {
    throw corrupt('it is over the bounds of an entry');
  }
  return { previous, bodyDigest, items };
}

function decodeHeadItem(bytes: Uint8Array): HeadItem {
  const reader = new MessageReader(bytes, 'JournalHeadItem');
  const item = {
    kind: 0,
    tenant: '',
    batchId: '',
    chunkNumber: 0,
    orderId: '',
    profileName: '',
    firstIndex: 0,
    count: 0,
    renews: 0,
  };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) item.kind = reader.uint32();
    else if (field === 2) item.tenant = reader.text();
    else if (field === 3) item.batchId = reader.text();
    else if (field === 4) item.chunkNumber = reader.uint32();
    else if (field === 5) item.orderId = reader.text();
    else if (field === 6) item.profileName = reader.text();
    else if (field === 7) item.firstIndex = reader.uint32();
    else if (field === 8) item.count = reader.uint32();
    else if (field === 9) item.renews = reader.uint32();
    else reader.skip();
  }
  const { tenant, batchId, chunkNumber, orderId, profileName, firstIndex, count } = item;
  const kind = kinds[item.kind];
  // What is not known may not be passed over: every view must come out the same.
  if (kind === undefined) throw corrupt('an item is of no known kind');
  if (count > maxRequestsPerChunk) throw corrupt('an item is over the bounds of a chunk');
  return {
    kind,
    chunk: { tenant, batchId, chunkNumber },
    orderId,
    profileName,
    renews: item.renews === 1,
    firstIndex,
    count,
  };
}

interface BodyItem {
  readonly verdict: Uint8Array;
  readonly keys: Buffer;
  readonly positions: readonly number[];
}

function decodeBody(bytes: Uint8Array): BodyItem[] {
  const reader = new MessageReader(bytes, 'JournalBody');
  const items: BodyItem[] = [];
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) items.push(decodeBodyItem(reader.bytes()));
    else reader.skip();
  }
  return items;
}

function decodeBodyItem(bytes: Uint8Array): BodyItem {
  const reader = new MessageReader(bytes, 'JournalBodyItem');
  let verdict: Uint8Array = new Uint8Array();
  let keys: Buffer = Buffer.alloc(0);
  const positions: number[] = [];
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) verdict = reader.bytes();
    else if (field === 2) keys = reader.bytes();
    else if (field === 3) reader.numbers(positions, maxRequestsPerChunk);
    else reader.skip();
  }
  return { verdict, keys, positions };
}

function decoding<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!isCertmillError(error) || error.code !== 'FAULT_EVENT_UNDECODABLE') throw error;
    throw new CertmillError('FAULT_STORE_CORRUPT', 'a journal entry cannot be read', {
      cause: error,
    });
  }
}

function corrupt(why: string): CertmillError {
  return new CertmillError('FAULT_STORE_CORRUPT', `a journal entry cannot be read: ${why}`);
}

function unsupported(version: number): CertmillError {
  return new CertmillError(
    'DATA_FORMAT_UNSUPPORTED',
    `a journal entry has format ${String(version)}, this version reads ${String(formatVersion)}`,
  );
}
