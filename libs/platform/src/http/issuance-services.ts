import {
  canonicalProfile,
  CertmillError,
  isCertmillError,
  profileHash,
  type Lane,
  type Profile,
  type SerialKey,
  type TenantId,
} from '@certmill/domain';
import type { ReceivedChunk } from '@certmill/events';
import { builtInProfiles, parseProfile } from '@certmill/domain/profile-files';
import {
  assertMakesCrls,
  type CrlIssuer,
  crlStateOf,
  demandCrls,
  IngestPace,
  type ChangeCertificatesPorts,
  type Hops,
  type OrderPorts,
  type ProfileCatalogue,
  type PublicationNotices,
  type TenantWindows,
  type StageObserver,
} from '@certmill/pipeline';
import type {
  Clock,
  EventLog,
  JobQueue,
  OperationGate,
  ProfileStore,
  StoredProfile,
  TenantStore,
} from '@certmill/ports';
import type { KeyObject } from 'node:crypto';
import { newApiKey } from '../auth/api-keys.js';
import type { Readiness } from '../observability/readiness.js';
import type { IssuanceStore } from './issuance-store.js';
import type { Repository } from './repository.js';
import type { IssuanceServices } from './services.js';

/** The tenant that a new store begins with; its admins manage the others. */
export const operatorTenant = 'default';

/** What an app has opened by the time that it takes calls. */
export interface IssuanceParts {
  readonly store: IssuanceStore;
  readonly log: EventLog;
  readonly hops: Pick<Hops, 'received'>;
  readonly profiles: ProfileCatalogue;
  readonly notices: PublicationNotices;
  readonly clock: Clock;
  /** An issuance clock: its time is pinned in chunks. */
  readonly pinningClock: Clock;
  readonly serialKeys: readonly SerialKey[];
  /** Id of the serial key in force. */
  readonly serialKeyId: number;
  readonly policy: IssuingPolicy;
  /** Of the installation: its quorum, where it has one. */
  readonly gate: OperationGate;
  readonly manifestKey: KeyObject;
  readonly readiness: Readiness;
  readonly repository: Repository;
  /** Absent: a tenant's uploads are bounded by the log alone. */
  readonly windows?: TenantWindows;
  /** Chunks are cut to no more; absent: the store keeps no such number of an order. */
  readonly maxRequestsPerChunk?: number;
  /** Has mass operations run, and CRLs made; absent: they are refused. */
  readonly jobs?: Pick<JobQueue, 'add'>;
  /** Told of chunks in which statuses were changed here; see `ChangePorts` of @certmill/pipeline. */
  readonly onChanged?: NonNullable<ChangeCertificatesPorts['onChanged']>;
  /** The status of certificates, beside everything else; absent: it is told elsewhere. */
  readonly answerStatus?: IssuanceServices['answerStatus'];
  /** Told of what this process receives, and of dead letters that it drops. */
  readonly observer: Pick<StageObserver, 'received' | 'published'>;
}

interface OrderRef {
  readonly tenant: TenantId;
  readonly orderId: string;
}

/** Which issuer signs what for whom; `issuingPolicy` of @certmill/trust. */
export interface IssuingPolicy {
  batchRefusal(issuer: string, order: OrderRef, profile?: Profile): string | undefined;
  orderRefusal(issuer: string, order: OrderRef, profile: Profile): string | undefined;
  standingOf: IssuanceServices['standingOf'];
  /** What the issuer holds vendor and product of Matter's devices to. */
  heldIds(issuer: string, profile: Profile): ReceivedChunk['heldIds'];
  requestsPerChunk(issuer: string, profile: Profile): Promise<number>;
  defaultIssuerOf(tenant: TenantId): string;
  chainOf(issuer: string): readonly Uint8Array[] | undefined;
  revocationOf: IssuanceServices['revocationOf'];
  /** When the certificates end that the issuer had before its present one, as far as they are kept. */
  formerEndsOf(issuer: string): readonly (number | undefined)[];
  /** Undefined for an unknown issuer; 0 where it has one CRL of everything, or none. */
  crlShardsOf(issuer: string): number | undefined;
  /** What decides whether CRLs of it are made; undefined for an unknown issuer. */
  crlIssuerOf(issuer: string): CrlIssuer | undefined;
  admit(tenant: TenantId, profile: Profile): Promise<void>;
}

/** A profile in whose place a tenant has another one of the same name and version. */
export interface KeptProfile {
  readonly name: string;
  readonly version: number;
  /** The first 100. */
  readonly tenants: readonly TenantId[];
}

export interface FirstCredential {
  readonly tenant: string;
  readonly key: string;
}

/** What the HTTP face calls, made of what an app has opened. */
export function issuanceServices(parts: IssuanceParts): IssuanceServices {
  const { store, log, hops, clock, policy, profiles, notices, observer } = parts;
  const { maxRequestsPerChunk: maxRequests } = parts;
  const ingest = {
    batches: store,
    log,
    hops,
    clock: parts.pinningClock,
    serialKeyId: parts.serialKeyId,
    pace: new IngestPace(() => performance.now()),
    batchRefusal: (issuer: string, order: OrderRef, profile?: Profile) =>
      policy.batchRefusal(issuer, order, profile),
    heldIds: (issuer: string, profile: Profile) => policy.heldIds(issuer, profile),
    ...(parts.windows === undefined ? {} : { windows: parts.windows }),
    onReceived: (lane: Lane, requests: number) => observer.received(lane, requests),
  };
  const opening: OrderPorts = {
    orders: store,
    clock,
    orderRefusal: (name, order, profile) => policy.orderRefusal(name, order, profile),
    ...(maxRequests === undefined
      ? {}
      : {
          requestsPerChunk: async (issuer, profile) =>
            Math.min(maxRequests, await policy.requestsPerChunk(issuer, profile)),
        }),
  };
  const serialKeys = new Map(parts.serialKeys.map((key) => [key.id, key]));
  const told = parts.onChanged === undefined ? {} : { onChanged: parts.onChanged };
  return {
    tenants: store,
    orders: store,
    batches: store,
    profileStore: store,
    profiles,
    opening,
    ingest,
    enrolling: { ...ingest, certificates: store, notices },
    results: { batches: store, certificates: store, notices },
    finding: { certificates: store, serialKeys },
    revoking: {
      orders: store,
      batches: store,
      certificates: store,
      revocations: store,
      audit: store,
      clock,
      serialKeys,
      crlShardsOf: (issuer) => policy.crlShardsOf(issuer),
      ...told,
    },
    mass: {
      operations: store,
      orders: store,
      batches: store,
      certificates: store,
      revocations: store,
      audit: store,
      clock,
      crlShardsOf: (issuer) => policy.crlShardsOf(issuer),
      chainOf: (issuer) => policy.chainOf(issuer),
      revocationOf: (issuer) => policy.revocationOf(issuer),
      opening,
      ingest,
      profiles,
      ...told,
      ...(parts.jobs === undefined ? {} : { jobs: parts.jobs }),
    },
    toRenew: {
      tenants: store,
      orders: store,
      batches: store,
      certificates: store,
      profiles,
      clock,
      crlShardsOf: (issuer) => policy.crlShardsOf(issuer),
      chainOf: (issuer) => policy.chainOf(issuer),
      revocationOf: (issuer) => policy.revocationOf(issuer),
      formerEndsOf: (issuer) => policy.formerEndsOf(issuer),
    },
    audit: store,
    deadLetters: {
      stores: store,
      log,
      clock,
      onPublished: (codes, chunk) => observer.published(codes, chunk),
    },
    clock,
    defaultIssuerOf: (tenant) => policy.defaultIssuerOf(tenant),
    chainOf: (issuer) => policy.chainOf(issuer),
    revocationOf: (issuer) => policy.revocationOf(issuer),
    standingOf: (issuer, tenant) => policy.standingOf(issuer, tenant),
    async crlStateOf(issuer) {
      const shards = policy.crlShardsOf(issuer);
      const ports = { revocations: store, crls: store };
      return shards === undefined ? undefined : crlStateOf(ports, issuer, shards);
    },
    async demandCrls(issuer, kind) {
      const [shards, crlIssuer] = [policy.crlShardsOf(issuer), policy.crlIssuerOf(issuer)];
      if (shards === undefined || crlIssuer === undefined) return undefined;
      assertMakesCrls(crlIssuer, clock.nowMs());
      const { jobs } = parts;
      if (jobs === undefined) {
        const message =
          'CRLs on demand need the queue of timed jobs: configure redis for this service';
        throw new CertmillError('CONFLICT', message);
      }
      return demandCrls({ revocations: store, crls: store, jobs }, issuer, shards, kind);
    },
    operatorTenant,
    openTenant: (tenant) => openTenant(store, clock, tenant),
    gate: parts.gate,
    async addProfile(tenant, text, beforeStored) {
      const profile = parseProfile(text, 'profile');
      await policy.admit(tenant, profile);
      const isThere = (await store.getProfile(tenant, profileHash(profile))) !== undefined;
      if (!isThere) await beforeStored(profile);
      await store.addProfile({ ...stored(profile, clock), tenant });
      return profile;
    },
    manifestKey: parts.manifestKey,
    readiness: parts.readiness,
    ...(parts.answerStatus === undefined ? {} : { answerStatus: parts.answerStatus }),
    repository: parts.repository,
  };
}

/** Gives every tenant the profiles that this release brings; resolves to those that kept their own. */
export async function addBuiltInProfiles(
  store: Pick<ProfileStore, 'addProfileToAll'>,
  clock: Clock,
): Promise<readonly KeptProfile[]> {
  const added = [...builtInProfiles().values()].map(async (profile) => {
    const { name, version } = profile;
    return { name, version, tenants: await store.addProfileToAll(stored(profile, clock)) };
  });
  return (await Promise.all(added)).filter(({ tenants }) => tenants.length > 0);
}

/**
 * Makes the first credential where the store has none; undefined where it has. It is stored hashed and
 * told only here, so the caller MUST show it.
 */
export async function openFirstTenant(
  store: TenantStore & ProfileStore,
  clock: Clock,
): Promise<FirstCredential | undefined> {
  const credentials = await store.listCredentials(operatorTenant);
  if (credentials.length > 0) return undefined;
  await openTenant(store, clock, operatorTenant);
  const { key, keyHash } = newApiKey();
  await store.addCredential({
    keyHash,
    tenant: operatorTenant,
    role: 'admin',
    label: 'first credential',
    createdAtMs: clock.nowMs(),
  });
  return { tenant: operatorTenant, key };
}

/** Opens a tenant with the built-in profiles; false where it is there already. */
async function openTenant(
  store: TenantStore & ProfileStore,
  clock: Clock,
  tenant: TenantId,
): Promise<boolean> {
  const created = await store.createTenant(tenant, clock.nowMs());
  for (const profile of builtInProfiles().values()) {
    await store.addProfile({ ...stored(profile, clock), tenant }).catch(unlessKept);
  }
  return created;
}

function stored(profile: Profile, clock: Clock): Omit<StoredProfile, 'tenant'> {
  return {
    name: profile.name,
    version: profile.version,
    hash: profileHash(profile),
    canonical: canonicalProfile(profile),
    addedAtMs: clock.nowMs(),
  };
}

/** A release may bring a version of a profile that a tenant has stored by itself, with other content. */
function unlessKept(error: unknown): void {
  if (!isCertmillError(error) || error.code !== 'CONFLICT') throw error;
}
