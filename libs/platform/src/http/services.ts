/** Injection token of IssuanceServices. */
export const servicesToken = Symbol('IssuanceServices');

import type { Profile } from '@certmill/domain';
import type {
  ChangeCertificatesPorts,
  CountPorts,
  CrlState,
  DemandedCrls,
  DeadLetterPorts,
  EnrollPorts,
  FindPorts,
  IngestPorts,
  MassCallPorts,
  OrderPorts,
  ProfileCatalogue,
  ResultPorts,
} from '@certmill/pipeline';
import type {
  AllowListStore,
  AuditStore,
  BatchStore,
  Clock,
  OperationGate,
  OrderStore,
  ProfileStore,
  TenantStore,
} from '@certmill/ports';
import type { KeyObject } from 'node:crypto';
import type { StatusCall } from '../status/status-call.js';
import type { StatusReply } from '../status/status-reply.js';
import type { Readiness } from '../observability/readiness.js';
import type { Repository } from './repository.js';

/** What the HTTP face needs; an app composes it from its adapters. */
export interface IssuanceServices {
  readonly tenants: TenantStore;
  readonly orders: OrderStore & AllowListStore;
  readonly batches: BatchStore;
  readonly profileStore: ProfileStore;
  readonly profiles: ProfileCatalogue;
  readonly opening: OrderPorts;
  readonly ingest: IngestPorts;
  readonly enrolling: EnrollPorts;
  readonly results: ResultPorts;
  readonly finding: FindPorts;
  readonly deadLetters: DeadLetterPorts;
  readonly revoking: ChangeCertificatesPorts;
  readonly mass: MassCallPorts;
  /** What it is looked with for what devices are to renew. */
  readonly toRenew: CountPorts;
  readonly audit: AuditStore;
  readonly clock: Clock;
  /** Issuer that an order gets when it names none; CONFLICT where none serves the tenant. */
  defaultIssuerOf(tenant: string): string;
  /** Certificates from the issuing CA up to the root, DER; undefined for an unknown issuer. */
  chainOf(issuer: string): readonly Uint8Array[] | undefined;
  /** The certificate of its chain that is revoked; undefined where none is. */
  revocationOf(
    issuer: string,
  ): { readonly serialNumberHex: string; readonly reason: string } | undefined;
  /** What it takes of a tenant, and why not; undefined where it does not serve the tenant. */
  standingOf(
    issuer: string,
    tenant: string,
  ):
    | { readonly takesOrders: boolean; readonly takesUploads: boolean; readonly refusal?: string }
    | undefined;
  /** How far its CRLs are behind what was revoked; undefined for an unknown issuer. */
  crlStateOf(issuer: string): Promise<CrlState | undefined>;
  /**
   * Has new CRLs made, which have what was revoked before the call; undefined for an unknown issuer.
   * CONFLICT where its certificate has ended, none of that kind are made, or nothing here runs jobs.
   */
  demandCrls(issuer: string, kind: 'full' | 'delta'): Promise<DemandedCrls | undefined>;
  /** The tenant whose admins open tenants and manage the credentials of all. */
  readonly operatorTenant: string;
  /** Opens a tenant with the built-in profiles; false where it is there already. */
  openTenant(tenant: string): Promise<boolean>;
  /** Asks for the quorum of the installation. */
  readonly gate: OperationGate;
  /**
   * Parses, checks against every issuer of the tenant and stores a profile file; PROFILE_INVALID with clause.
   * @param beforeStored called where the tenant does not have it yet: nothing is stored where it rejects.
   */
  addProfile(
    tenant: string,
    text: string,
    beforeStored: (profile: Profile) => Promise<void>,
  ): Promise<Profile>;
  /** Signs manifests; certifies nothing. */
  readonly manifestKey: KeyObject;
  readonly readiness: Readiness;
  /**
   * OCSP, open to all; absent: it is answered elsewhere. Never rejects. The signal aborts when the client
   * has gone.
   */
  readonly answerStatus?: (call: StatusCall, signal: AbortSignal) => Promise<StatusReply>;
  /** CRLs and certificates of CAs, for everybody. */
  readonly repository: Repository;
}
