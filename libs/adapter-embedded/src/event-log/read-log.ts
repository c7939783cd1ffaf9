import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isCertmillError } from '@certmill/domain';
import type { EventRecord } from '@certmill/ports';
import { nodeDisk, type Disk } from '../disk.js';
import { GroupOffsets } from './group-offsets.js';
import { isMissing } from './log-fault.js';
import {
  baseOffsetOf,
  findSegmentEnd,
  hasSegmentHead,
  segmentHeadBytes,
  segmentPath,
  type Segment,
} from './segment.js';
import { beginningOf, SegmentReader, type Location } from './segment-reader.js';

/** A record of a log at rest, or what is wrong where one should be. */
export type FoundRecord =
  { readonly record: EventRecord } | { readonly record?: never; readonly damage: string };

export interface ReadLogOptions {
  /** Of the whole event log. */
  readonly directory: string;
  readonly topic: string;
  /** Only what this group has not committed; every record where absent. */
  readonly group?: string;
  readonly disk?: Disk;
}

/** No record has more octets: a length beyond is damage. */
const maxBodyBytes = 64 * 1024 * 1024;

/** Whether there is a record in any topic of an event log; what was never made holds none. */
export function holdsRecords(directory: string): boolean {
  return entriesIn(directory).some((topic) => {
    const folder = join(directory, topic);
    return entriesIn(folder).some(
      (name) =>
        baseOffsetOf(name) !== undefined && statSync(join(folder, name)).size > segmentHeadBytes,
    );
  });
}

function entriesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/**
 * Reads a topic of a log that nobody has open, and changes nothing. Damage is told and passed over as
 * far as what follows can be found: the next record behind a whole head, else the next segment. A topic
 * that was never made is empty.
 */
export async function* readLog(options: ReadLogOptions): AsyncGenerator<FoundRecord> {
  const { directory, topic, group, disk = nodeDisk } = options;
  const folder = join(directory, topic);
  const segments = await segmentsIn(disk, folder);
  const committed = await committedBy(disk, folder, group);
  if (committed.damage !== undefined) yield { damage: committed.damage };
  const from = committed.offset ?? segments[0]?.baseOffset ?? 0;
  const reader = new SegmentReader(disk, maxBodyBytes);
  /** Undefined behind damage that hides it. */
  let next: number | undefined = from;
  try {
    for (const [i, segment] of segments.entries()) {
      const successor = segments[i + 1];
      if (successor !== undefined && successor.baseOffset <= from) continue;
      if (next !== undefined && segment.baseOffset > Math.max(next, from)) {
        yield gap(topic, Math.max(next, from), segment.baseOffset);
      }
      next = yield* readSegment(disk, reader, segment, from, successor === undefined);
    }
  } finally {
    await reader.close();
  }
  const end = segments.length === 0 ? 0 : next;
  if (end !== undefined && from > end) yield gap(topic, end, from);
}

/** Resolves to the offset behind the last record; undefined where damage hides it. */
async function* readSegment(
  disk: Disk,
  reader: SegmentReader,
  segment: Segment,
  from: number,
  isLast: boolean,
): AsyncGenerator<FoundRecord, number | undefined> {
  let endBytes: number;
  try {
    endBytes = await endOf(disk, segment, isLast);
  } catch (error) {
    yield { damage: messageOf(error) };
    return undefined;
  }
  let at = beginningOf(segment);
  while (at.position < endBytes) {
    let following: Location | undefined;
    try {
      following = await reader.skip(at);
      if (at.offset >= from) yield { record: (await reader.read(at)).record };
    } catch (error) {
      yield { damage: messageOf(error) };
    }
    if (following === undefined) return undefined;
    at = following;
  }
  return at.offset;
}

/** Where the records of a segment end, in octets; a torn tail is none of them. */
async function endOf(disk: Disk, segment: Segment, isLast: boolean): Promise<number> {
  const file = await disk.open(segment.path);
  try {
    const size = await file.size();
    if (!(await hasSegmentHead(file, segment.baseOffset, segment.path))) return 0;
    if (!isLast) return size;
    return await findSegmentEnd(disk, segment).then(
      ({ endBytes }) => endBytes,
      // A durable record is broken: reading up to the end tells which.
      () => size,
    );
  } finally {
    await file.close();
  }
}

async function segmentsIn(disk: Disk, folder: string): Promise<readonly Segment[]> {
  const names = await disk.list(folder).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
  return names
    .flatMap((name) => baseOffsetOf(name) ?? [])
    .sort((a, b) => a - b)
    .map((baseOffset) => ({ path: segmentPath(folder, baseOffset), baseOffset, startBytes: 0 }));
}

async function committedBy(
  disk: Disk,
  folder: string,
  group: string | undefined,
): Promise<{ readonly offset: number | undefined; readonly damage?: string }> {
  if (group === undefined) return { offset: undefined };
  try {
    const offsets = await GroupOffsets.open(disk, folder, () => Promise.resolve());
    return { offset: offsets.committed(group) };
  } catch (error) {
    return { offset: undefined, damage: messageOf(error) };
  }
}

function gap(topic: string, from: number, to: number): FoundRecord {
  return {
    damage: `the log of ${topic} has lost its records ${String(from)} to ${String(to - 1)}`,
  };
}

function messageOf(error: unknown): string {
  if (isCertmillError(error)) return error.message;
  throw error;
}
