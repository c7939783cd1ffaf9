import { CertmillError, rejectionNumber } from '@certmill/domain';
import { udidIdAt } from '@certmill/packed';
import type { TerminalChunk } from '@certmill/ports';
import type { DecideTables } from './decide-chunk.js';
import type { SegmentFiles } from './segment-files.js';

const cancelled = rejectionNumber('BATCH_CANCELLED');

/**
 * Ends a chunk, at most once: segment, pointer, counters, and what its unissued requests had taken.
 * One transaction, the caller's, who makes the segment durable before the COMMIT.
 */
export function publishChunk(
  tables: DecideTables,
  segments: SegmentFiles,
  terminal: TerminalChunk,
): 'published' | 'already-published' {
  const { batches, chunks } = tables;
  const chunk = chunks.require(terminal.chunk);
  if (chunk.segment !== undefined) return 'already-published';
  if (terminal.codes.length !== chunk.count || terminal.firstIndex !== chunk.firstIndex) {
    throw new CertmillError('FAULT_PROCESSING', 'the terminal record is of another chunk');
  }
  chunks.confirm(chunk);
  const counts = countsOf(terminal);
  if (chunk.isDeadLetter) counts.deadLettered -= chunk.count;
  batches.count(chunk.batch, counts);
  // Nothing was taken for a chunk that was never decided.
  if (terminal.released.length > 0 && chunks.getVerdict(chunk) !== undefined) {
    giveBack(tables, terminal, chunk.batch.seq);
  }
  chunks.pinIssuanceTime(terminal.receivedAtMs);
  chunks.end(chunk, segments.append(terminal.segment), terminal.notAfterMs);
  const { tenant, batchId } = terminal.chunk;
  batches.completeIfDone(tenant, batchId, terminal.publishedAtMs);
  return 'published';
}

function countsOf(terminal: TerminalChunk) {
  const counts = { issued: 0, rejected: 0, cancelled: 0, deadLettered: 0 };
  const released = new Set(terminal.released);
  for (const [position, code] of terminal.codes.entries()) {
    if (code === 0) counts.issued += 1;
    else if (released.has(terminal.firstIndex + position)) counts[terminal.endedAs] += 1;
    // Cancelled before it was validated: the verdict itself says so.
    else if (code === cancelled) counts.cancelled += 1;
    else counts.rejected += 1;
  }
  return counts;
}

function giveBack(tables: DecideTables, terminal: TerminalChunk, seq: number): void {
  const { released, firstIndex, deviceIds, udids: column } = terminal;
  const { tenant } = terminal.chunk;
  const account = tables.orders.account(tenant, terminal.orderId);
  if (account === undefined) {
    throw new CertmillError('FAULT_PROCESSING', `there is no order ${terminal.orderId}`);
  }
  const udids = Buffer.from(column.buffer, column.byteOffset, column.byteLength);
  const scoped = tables.claims.within({ tenant, profileName: terminal.profileName });
  for (const index of released) {
    const position = index - firstIndex;
    const deviceId = deviceIds[position] ?? '';
    scoped.release(deviceId, udidIdAt(udids, position), { seq, index });
  }
  tables.orders.reserve(account, -Math.min(released.length, account.reserved));
}
