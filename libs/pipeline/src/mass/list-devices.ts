import {
  CertmillError,
  type FrozenBatch,
  type MassOperation,
  type ReissueWork,
} from '@certmill/domain';
import type { Page, PageRequest } from '@certmill/ports';
import { FrozenSelection } from './frozen-selection.js';
import type { MassPorts } from './mass-ports.js';
import { readChunk } from './read-chunk.js';
import { renewalOutcomes } from './renewal-outcomes.js';
import { renewalTest } from './renewal-test.js';

/** `passed-over`: not renewed, and revoked, on hold, ended, or without a right to another one. */
export const deviceStates = ['renewed', 'outstanding', 'passed-over'] as const;
export type DeviceState = (typeof deviceStates)[number];

/** A device of a reissue or renewal, by the certificate of the selection that it holds. */
export interface MassDevice {
  readonly deviceId: string;
  readonly serialNumber: Uint8Array;
  readonly notAfterMs: number;
  readonly state: DeviceState;
}

/** Read for one page at most: where few are looked for it is short, and the next one goes on. */
const chunksPerPage = 64;
const cursorPattern = /^(\d{1,7})\.(\d{1,9})\.(\d{1,5})$/;

interface Place {
  readonly batch: number;
  readonly chunkNumber: number;
  /** Certificates of the chunk that were told. */
  readonly told: number;
}

/**
 * The devices of an operation's frozen selection as they are now, in its order.
 * Faults: INVALID_INPUT for a cursor, CONFLICT of a revocation.
 */
export async function listMassDevices(
  ports: MassPorts,
  operation: MassOperation,
  { limit, cursor }: PageRequest,
  state?: DeviceState,
): Promise<Page<MassDevice>> {
  const { operationId, work } = operation;
  if (work.kind === 'revoke') {
    throw new CertmillError('CONFLICT', `operation '${operationId}' is a revocation`);
  }
  const frozen = new FrozenSelection(ports.operations, operation);
  const items: MassDevice[] = [];
  let place: Place | undefined = placeOf(cursor);
  for (let read = 0; read < chunksPerPage; read += 1) {
    const batch = await frozen.at(place.batch);
    if (batch === undefined) return { items };
    const { certificates, isLast } = await devicesIn(
      ports,
      operation,
      work,
      batch,
      place.chunkNumber,
    );
    for (const [i, device] of certificates.entries()) {
      if (i < place.told || (state !== undefined && device.state !== state)) continue;
      if (items.length === limit) return { items, next: cursorOf({ ...place, told: i }) };
      items.push(device);
    }
    place = isLast
      ? { batch: place.batch + 1, chunkNumber: 0, told: 0 }
      : { batch: place.batch, chunkNumber: place.chunkNumber + 1, told: 0 };
  }
  const isMore = (await frozen.at(place.batch)) !== undefined;
  return isMore ? { items, next: cursorOf(place) } : { items };
}

async function devicesIn(
  ports: MassPorts,
  { tenant, operationId, selection }: MassOperation,
  work: ReissueWork,
  batch: FrozenBatch,
  chunkNumber: number,
): Promise<{ readonly certificates: readonly MassDevice[]; readonly isLast: boolean }> {
  const { certificates, isLast } = await readChunk(ports, tenant, batch, chunkNumber, selection);
  const nowMs = ports.clock.nowMs();
  const isRenewed = await renewalTest(ports, tenant, operationId, certificates, nowMs);
  const outcomes = await renewalOutcomes(ports, work, batch, certificates, nowMs);
  const devices = certificates.map((certificate, i): MassDevice => {
    const { deviceId, serialNumber, notAfterMs } = certificate;
    const left = outcomes[i]?.outcome === 'submitted' ? 'outstanding' : 'passed-over';
    return { deviceId, serialNumber, notAfterMs, state: isRenewed(i) ? 'renewed' : left };
  });
  return { certificates: devices, isLast };
}

function placeOf(cursor: string | undefined): Place {
  if (cursor === undefined) return { batch: 0, chunkNumber: 0, told: 0 };
  const [, batch, chunkNumber, told] = cursorPattern.exec(cursor) ?? [];
  if (batch === undefined)
    throw new CertmillError('INVALID_INPUT', 'the cursor is not one of ours');
  return { batch: Number(batch), chunkNumber: Number(chunkNumber), told: Number(told) };
}

function cursorOf({ batch, chunkNumber, told }: Place): string {
  return [batch, chunkNumber, told].join('.');
}
