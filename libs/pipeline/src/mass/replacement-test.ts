import { CertmillError, type OrderId, type TenantId } from '@certmill/domain';
import type { CertificatePlace, RequestPlace } from '@certmill/ports';
import { fallenCaOf } from '../authorities.js';
import { isSamePlace } from '../reissue-source.js';
import type { MassPorts } from './mass-ports.js';
import {
  readStandings,
  type ChunkReader,
  type Standing,
  type StandingOf,
  type StandingPorts,
} from './standing.js';
import { deviceOf, type StoredCertificate } from './stored-certificate.js';

export type ReplacementPorts = StandingPorts & Pick<MassPorts, 'orders' | 'batches'>;

/** What other certificates of its device make of one that may be issued once more. */
export interface Rivals {
  /** One of them stands in its place. */
  readonly stand: boolean;
  /** Where none does: the one that holds the device's claim although it stands for nothing. */
  readonly displaced?: CertificatePlace;
}

type RivalsOf = (position: number) => Rivals;

/**
 * Tells of each certificate of a batch about those that came after it to the live claim of its device on its
 * profile. Where the claim was freed, by a revocation, the newest one left is the device's.
 */
export async function replacementTest(
  ports: ReplacementPorts,
  tenant: TenantId,
  orderId: OrderId,
  certificates: readonly StoredCertificate[],
  nowMs: number,
  reader?: ChunkReader,
): Promise<RivalsOf> {
  const profileName = await profileNameOf(ports, tenant, orderId);
  const devices = certificates.map(deviceOf);
  const lists = await ports.certificates.claimsOf(tenant, profileName, devices);
  const rivals: (readonly RequestPlace[])[] = [];
  for (const [i, own] of certificates.entries()) {
    const list = lists[i] ?? [];
    const at = list.findIndex((place) => isSamePlace(place, own));
    rivals.push(
      at >= 0
        ? list.slice(0, at)
        : [...list, ...(await newerThan(ports, tenant, profileName, own))],
    );
  }
  const standingOf = await readStandings(ports, tenant, rivals.flat(), nowMs, reader);
  return rivalsOf(rivals, lists, standingOf, fallenCaAbove(ports, certificates, nowMs));
}

/** Tells of each certificate about those that its device holds under a profile of this name. */
export async function holdingTest(
  ports: ReplacementPorts,
  tenant: TenantId,
  profileName: string,
  certificates: readonly StoredCertificate[],
  nowMs: number,
): Promise<RivalsOf> {
  const devices = certificates.map(deviceOf);
  const lists = await ports.certificates.claimsOf(tenant, profileName, devices);
  const standingOf = await readStandings(ports, tenant, lists.flat(), nowMs);
  return rivalsOf(lists, lists, standingOf, fallenCaAbove(ports, certificates, nowMs));
}

export async function profileNameOf(
  { orders }: Pick<MassPorts, 'orders'>,
  tenant: TenantId,
  orderId: OrderId,
): Promise<string> {
  const order = await orders.getOrder(tenant, orderId);
  if (order !== undefined) return order.profileName;
  throw new CertmillError('FAULT_STORE_CORRUPT', `order '${orderId}' of a batch is not stored`);
}

/** Requests of its device under its profile that were accepted after it, of the last ones. */
async function newerThan(
  ports: ReplacementPorts,
  tenant: TenantId,
  profileName: string,
  own: StoredCertificate,
): Promise<readonly RequestPlace[]> {
  const [places = []] = await ports.certificates.placesOf(tenant, [deviceOf(own)]);
  const newer: RequestPlace[] = [];
  for (const place of places) {
    if (isSamePlace(place, own)) break;
    const batch = await ports.batches.getBatch(tenant, place.batchId);
    if (batch === undefined) continue;
    const name = await profileNameOf(ports, tenant, batch.orderId);
    if (name === profileName) newer.push(place);
  }
  return newer;
}

/** Certificates of a batch have one issuer. */
function fallenCaAbove(
  ports: StandingPorts,
  [first]: readonly StoredCertificate[],
  nowMs: number,
): string | undefined {
  return first && fallenCaOf(ports, first.scope.issuer, nowMs);
}

/** @param claims who holds that of the device comes first. @param ownCa that has fallen. */
function rivalsOf(
  rivals: readonly (readonly RequestPlace[])[],
  claims: readonly (readonly RequestPlace[])[],
  standingOf: StandingOf,
  ownCa: string | undefined,
): RivalsOf {
  return (position) => {
    const doesStand = (place: RequestPlace): boolean => stands(standingOf(place), ownCa);
    if (rivals[position]?.some(doesStand) === true) return { stand: true };
    const holder = claims[position]?.[0];
    // What has ended gives its claim to whoever asks; what is in flight may yet stand.
    if (holder === undefined || standingOf(holder) === undefined) return { stand: false };
    const { batchId, index } = holder;
    return { stand: false, displaced: { batchId, index } };
  };
}

/**
 * Under a CA that has fallen a certificate stands for nothing, with two exceptions: on hold, for its device is
 * to have none; and against one that fell with the same CA, for of those the newest is to be issued once more.
 */
function stands(standing: Standing | undefined, ownCa: string | undefined): boolean {
  if (standing === undefined) return false;
  const { isOnHold, fallenCa } = standing;
  return isOnHold || fallenCa === undefined || fallenCa === ownCa;
}
