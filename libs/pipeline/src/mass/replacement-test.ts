import { CertmillError, type OrderId, type TenantId } from '@certmill/domain';
import type { CertificatePlace, RequestPlace } from '@certmill/ports';
import { fallenCaOf } from '../authorities.js';
import { isSamePlace } from '../reissue-source.js';
import type { MassPorts } from './mass-ports.js';
import { placesAfter } from './places-after.js';
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
  /** Some stand in its place: one that is good, or will be issued once more with it; or none such. */
  readonly stand?: 'good' | 'not-good';
  /** Where none do: the one that holds the device's claim although it stands for nothing. */
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
  return rivalsOf(rivals, lists, standingOf, issuerAbove(ports, certificates, nowMs));
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
  return rivalsOf(lists, lists, standingOf, issuerAbove(ports, certificates, nowMs));
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

/** Requests of its device under its profile that were accepted after it. */
async function newerThan(
  ports: ReplacementPorts,
  tenant: TenantId,
  profileName: string,
  own: StoredCertificate,
): Promise<readonly RequestPlace[]> {
  const [places = []] = await placesAfter(ports, tenant, [own]);
  const newer: RequestPlace[] = [];
  for (const place of places) {
    const batch = await ports.batches.getBatch(tenant, place.batchId);
    if (batch === undefined) continue;
    const name = await profileNameOf(ports, tenant, batch.orderId);
    if (name === profileName) newer.push(place);
  }
  return newer;
}

/** Of a certificate for which there may be rivals. */
interface OwnIssuer {
  readonly issuer: string;
  readonly fallenCa: string | undefined;
}

/** Certificates of a batch have one. */
function issuerAbove(
  ports: StandingPorts,
  [first]: readonly StoredCertificate[],
  nowMs: number,
): OwnIssuer | undefined {
  if (first === undefined) return undefined;
  const { issuer } = first.scope;
  return { issuer, fallenCa: fallenCaOf(ports, issuer, nowMs) };
}

/** @param claims who holds that of the device comes first. */
function rivalsOf(
  rivals: readonly (readonly RequestPlace[])[],
  claims: readonly (readonly RequestPlace[])[],
  standingOf: StandingOf,
  own: OwnIssuer | undefined,
): RivalsOf {
  return (position) => {
    const standing = (rivals[position] ?? [])
      .map(standingOf)
      .filter((each) => each !== undefined && stands(each, own));
    if (standing.length > 0) return { stand: standing.some(isGood(own)) ? 'good' : 'not-good' };
    const holder = claims[position]?.[0];
    // What has ended gives its claim to whoever asks; what is in flight may yet stand.
    if (holder === undefined || standingOf(holder) === undefined) return {};
    const { batchId, index } = holder;
    return { displaced: { batchId, index } };
  };
}

/**
 * Under a CA that has fallen a certificate stands for nothing, with two exceptions: on hold, for its device is
 * to have none; and against one that fell with the same CA, for of those the newest is to be issued once more.
 */
function stands({ isOnHold, fallenCa }: Standing, own: OwnIssuer | undefined): boolean {
  return isOnHold || fallenCa === undefined || fallenCa === own?.fallenCa;
}

/** Whoever leaves a fallen issuer issues all of its certificates once more that are good by themselves. */
function isGood(own: OwnIssuer | undefined): (standing: Standing | undefined) => boolean {
  return (standing) => {
    if (standing === undefined || standing.isOnHold) return false;
    return standing.fallenCa === undefined || standing.issuer === own?.issuer;
  };
}
