import { hasExpired, isOnHold, type TenantId } from '@certmill/domain';
import type { CertificatePlace, RequestPlace } from '@certmill/ports';
import { fallenCaOf } from '../authorities.js';
import { CertificateReader } from '../revoke/read-certificates.js';
import { readStatuses } from '../revoke/read-statuses.js';
import type { MassPorts } from './mass-ports.js';

export type StandingPorts = Pick<
  MassPorts,
  'certificates' | 'crlShardsOf' | 'chainOf' | 'revocationOf'
>;

export type ChunkReader = Pick<CertificateReader, 'ofChunk'>;

/** Of a certificate that has neither ended nor been revoked for good. */
export interface Standing {
  readonly issuer: string;
  readonly isOnHold: boolean;
  /** The CA that has taken it along, as `fallenCaOf` names it; absent where all above it are in force. */
  readonly fallenCa?: string;
}

/** The one answer to what a certificate is worth to its device; undefined where it is worth nothing. */
export type StandingOf = (place: CertificatePlace) => Standing | undefined;

/** What is in flight, was rejected, has ended or is revoked for good stands for nothing. Each chunk is read once. */
export async function readStandings(
  ports: StandingPorts,
  tenant: TenantId,
  places: readonly RequestPlace[],
  nowMs: number,
  reader: ChunkReader = new CertificateReader(ports),
): Promise<StandingOf> {
  const byChunk = Map.groupBy(places, ({ batchId, chunkNumber }) => {
    return `${batchId}/${String(chunkNumber)}`;
  });
  const fallen = new Map<string, string | undefined>();
  const caOf = (issuer: string): string | undefined => {
    if (!fallen.has(issuer)) fallen.set(issuer, fallenCaOf(ports, issuer, nowMs));
    return fallen.get(issuer);
  };
  const standings = new Map<string, Standing>();
  for (const [first, ...others] of byChunk.values()) {
    if (first === undefined) continue;
    const { batchId, chunkNumber } = first;
    const wanted = new Set([first, ...others].map(({ index }) => index));
    const issued = await reader.ofChunk({ tenant, batchId, chunkNumber });
    const lasting = (issued ?? []).filter(
      ({ index, notAfterMs }) => wanted.has(index) && !hasExpired(notAfterMs, nowMs),
    );
    const statuses = await readStatuses(ports, lasting);
    for (const [i, one] of lasting.entries()) {
      const status = statuses[i] ?? { state: 'good' };
      const isHeld = isOnHold(status);
      if (status.state === 'revoked' && !isHeld) continue;
      const { issuer } = one.scope;
      const fallenCa = caOf(issuer);
      const ca = fallenCa === undefined ? {} : { fallenCa };
      standings.set(keyOf(one), { issuer, isOnHold: isHeld, ...ca });
    }
  }
  return (place) => standings.get(keyOf(place));
}

function keyOf({ batchId, index }: CertificatePlace): string {
  return `${batchId}/${String(index)}`;
}
