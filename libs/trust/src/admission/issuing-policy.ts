import { CertmillError, type OrderId, type Profile, type TenantId } from '@certmill/domain';
import {
  compileProfile,
  heldMatterIds,
  type HeldMatterIds,
  Turns,
} from '@certmill/pipeline/compute';
import type { CrlIssuer } from '@certmill/pipeline';
import type { Clock } from '@certmill/ports';
import { refusalOf } from '../hierarchy/load-issuers.js';
import type { RevokedCa } from '../hierarchy/revoked-cas.js';
import {
  compileRefusal,
  doesServe,
  isUndecided,
  type ServingIssuer,
} from '../hierarchy/serving-issuers.js';
import { admitProfile, findingText } from './admit-profile.js';
import { requestsPerChunk } from './chunk-bound.js';
import { assertFitsIssuer, lintAgainstIssuer } from './lint-against-issuer.js';

/** An order, that is there or about to be. */
export interface OrderRef {
  readonly tenant: TenantId;
  readonly orderId: OrderId;
}

/**
 * Which issuer signs what for whom: what ingest asks before anything is durable. A refusal is text that
 * stands behind the issuer's name; of another tenant's issuer it says no more than of none. Throws FAULT_ISSUER_UNKNOWN
 * where nobody knows now whether an issuer is revoked: that passes, and is no reason for another order.
 */
export interface IssuingPolicy {
  /**
   * Why the issuer takes no more of an order that names it; undefined where it does. Its certificate may be another one
   * than when the order was opened, and leave the profile no room; without a profile nobody adds anything.
   */
  batchRefusal(issuer: string, order: OrderRef, profile?: Profile): string | undefined;
  /** Why no such order can be opened: also where certificates of the profile do not fit under it. */
  orderRefusal(issuer: string, order: OrderRef, profile: Profile): string | undefined;
  /** What the issuer takes of a tenant at all; undefined where it does not serve it. */
  standingOf(issuer: string, tenant: TenantId): IssuerStanding | undefined;
  /** What the issuer's name holds vendor and product of Matter's devices to; undefined of others. */
  heldIds(issuer: string, profile: Profile): HeldMatterIds | undefined;
  /** How many requests of an admitted profile may share a chunk under the issuer, which MUST be there. */
  requestsPerChunk(issuer: string, profile: Profile): Promise<number>;
  /** The first that serves the tenant and any order; CONFLICT where none does. */
  defaultIssuerOf(tenant: TenantId): string;
  /** Certificates from the issuing CA up to the root, DER. */
  chainOf(issuer: string): readonly Uint8Array[] | undefined;
  /** The certificate of its chain that is revoked, its own or one above; undefined where none is. */
  revocationOf(issuer: string): RevokedCa | undefined;
  /** Of its CRL; 0 where it has one of everything, or none. Undefined for an unknown issuer. */
  crlShardsOf(issuer: string): number | undefined;
  /** What decides whether CRLs of it are made; undefined for an unknown issuer. */
  crlIssuerOf(issuer: string): CrlIssuer | undefined;
  /**
   * The ends of the certificates that it had before, those that the folder keeps in `former/`; Unix milliseconds,
   * undefined for one that cannot be read.
   */
  formerEndsOf(issuer: string): readonly (number | undefined)[];
  /** Checks a profile against the issuers of a tenant; PROFILE_INVALID with clause, CONFLICT. */
  admit(tenant: TenantId, profile: Profile): Promise<void>;
}

/** Whether an issuer takes new orders, and uploads under those that are open. */
export interface IssuerStanding {
  readonly takesOrders: boolean;
  readonly takesUploads: boolean;
  /** Why it does not take orders. */
  readonly refusal?: string;
}

/** The issuers as they are now; `IssuerCatalogue`. */
export interface IssuerSource {
  readonly all: readonly ServingIssuer[];
  find(name: string): ServingIssuer | undefined;
  formerEndsOf(name: string): readonly (number | undefined)[];
}

export function issuingPolicy(source: IssuerSource, clock: Clock): IssuingPolicy {
  const misfits = new Misfits();
  const openFor = (issuer: ServingIssuer, tenant: TenantId): boolean =>
    doesServe(issuer, tenant) &&
    issuer.retirement === undefined &&
    refusalOf(issuer, clock.nowMs()) === undefined;
  const assertNoneUndecided = (tenant: TenantId): void => {
    for (const issuer of source.all) if (doesServe(issuer, tenant)) assertDecided(issuer);
  };
  const servingOf = (tenant: TenantId): readonly [ServingIssuer, ...ServingIssuer[]] => {
    const open = source.all.filter((issuer) => openFor(issuer, tenant));
    const followers = open.length > 0 ? [] : followersOf(source, tenant);
    const [first, ...others] = [...open, ...followers.filter((each) => openFor(each, tenant))];
    if (first === undefined) {
      assertNoneUndecided(tenant);
      throw noneServes(source, tenant, clock.nowMs());
    }
    return [first, ...others];
  };
  return {
    batchRefusal(name, order, profile) {
      const issuer = source.find(name);
      if (issuer === undefined || !doesServe(issuer, order.tenant)) {
        return 'does not serve this tenant any more';
      }
      assertDecided(issuer);
      const refusal =
        refusalOf(issuer, clock.nowMs()) ?? otherOrder(issuer, order) ?? closed(issuer);
      return refusal ?? (profile && misfits.of(profile, issuer));
    },
    orderRefusal(name, order, profile) {
      const issuer = source.find(name);
      if (issuer === undefined || !doesServe(issuer, order.tenant)) return 'does not exist';
      assertDecided(issuer);
      const refusal =
        refusalOf(issuer, clock.nowMs()) ?? otherOrder(issuer, order) ?? retired(issuer);
      return refusal ?? misfits.of(profile, issuer);
    },
    standingOf(name, tenant) {
      const issuer = source.find(name);
      if (issuer === undefined || !doesServe(issuer, tenant)) return undefined;
      const ended = refusalOf(issuer, clock.nowMs());
      const refusal = ended ?? retired(issuer);
      return {
        takesOrders: refusal === undefined,
        takesUploads: (ended ?? closed(issuer)) === undefined,
        ...(refusal === undefined ? {} : { refusal }),
      };
    },
    heldIds(name, profile) {
      const issuer = source.find(name);
      return issuer && heldMatterIds(profile, issuer.subjectDer);
    },
    requestsPerChunk(name, profile) {
      const issuer = source.find(name);
      if (issuer === undefined) throw new CertmillError('CONFLICT', `there is no issuer ${name}`);
      return requestsPerChunk(profile, issuer, clock.nowMs());
    },
    defaultIssuerOf(tenant) {
      const usual = source.all.filter((issuer) => openFor(issuer, tenant));
      let refused: ServingIssuer | undefined;
      for (const candidates of [() => usual, () => followersOf(source, tenant)]) {
        for (const { name, order } of candidates()) {
          const issuer = order === undefined ? lastOf(source, name, tenant) : undefined;
          if (issuer === undefined || issuer.order !== undefined) continue;
          if (openFor(issuer, tenant)) return issuer.name;
          refused ??= issuer;
        }
      }
      assertNoneUndecided(tenant);
      if (refused !== undefined) throw noneWithoutName(refused, clock.nowMs());
      if (usual.length === 0) throw noneServes(source, tenant, clock.nowMs());
      throw new CertmillError('CONFLICT', 'each issuer of this tenant is for one order: name one');
    },
    chainOf: (name) => source.find(name)?.chainDer,
    revocationOf: (name) => source.find(name)?.revoked,
    crlShardsOf(name) {
      const issuer = source.find(name);
      return issuer && (issuer.status?.crlShards ?? 0);
    },
    crlIssuerOf: (name) => source.find(name),
    formerEndsOf: (name) => source.formerEndsOf(name),
    async admit(tenant, profile) {
      const serving = servingOf(tenant);
      const nowMs = clock.nowMs();
      const fitting = await differentShapes(serving, profile, nowMs);
      for (const issuer of fitting) await admitProfile(profile, issuer, nowMs);
      // Orders name their issuer and are refused where the profile does not fit it: one is enough here.
      if (fitting.length === 0) {
        const [issuer] = serving;
        await admitProfile(profile, issuer, nowMs);
        assertFitsIssuer(profile, issuer);
      }
    },
  };
}

/** Why none of the issuers takes uploads at the time, a text for each; empty where one does. */
export function whyNoneIssues(issuers: readonly ServingIssuer[], nowMs: number): readonly string[] {
  const reasons: string[] = [];
  for (const issuer of issuers) {
    const reason = refusalOf(issuer, nowMs) ?? closed(issuer);
    if (reason === undefined) return [];
    reasons.push(`issuer '${issuer.name}' ${reason}`);
  }
  return reasons;
}

/** Of issuers that nobody can use: as many as a person reads. */
const maxToldIssuers = 10;

function noneServes(source: IssuerSource, tenant: TenantId, nowMs: number): CertmillError {
  const reasons = source.all
    .filter((issuer) => doesServe(issuer, tenant))
    .slice(0, maxToldIssuers)
    .map((issuer) => {
      const reason = refusalOf(issuer, nowMs) ?? retired(issuer) ?? 'is not served';
      return `issuer '${issuer.name}' ${reason}`;
    });
  const message =
    reasons.length === 0
      ? 'no issuer serves this tenant'
      : `no issuer of this tenant takes orders: ${reasons.join('; ')}`;
  return new CertmillError('CONFLICT', message);
}

function assertDecided(issuer: ServingIssuer): void {
  if (!isUndecided(issuer)) return;
  throw new CertmillError(
    'FAULT_ISSUER_UNKNOWN',
    `nobody knows now whether issuer ${issuer.name} is revoked: what tells of it cannot be read`,
  );
}

/** What is found once for a profile and an issuer: each is another object after it has changed. */
class Misfits {
  readonly #known = new WeakMap<ServingIssuer, WeakMap<Profile, { readonly reason?: string }>>();

  /** Why certificates of the profile cannot stand under the issuer; undefined where they can. */
  of(profile: Profile, issuer: ServingIssuer): string | undefined {
    const ofIssuer =
      this.#known.get(issuer) ?? new WeakMap<Profile, { readonly reason?: string }>();
    this.#known.set(issuer, ofIssuer);
    const known = ofIssuer.get(profile);
    if (known !== undefined) return known.reason;
    const reason = misfitOf(profile, issuer);
    ofIssuer.set(profile, reason === undefined ? {} : { reason });
    return reason;
  }
}

function misfitOf(profile: Profile, issuer: ServingIssuer): string | undefined {
  const unfit = compileRefusal(profile, issuer);
  if (unfit !== undefined) return `does not sign profile '${profile.name}': ${unfit}`;
  const [finding] = lintAgainstIssuer(profile, issuer);
  return finding && `does not fit profile '${profile.name}': ${findingText(finding)}`;
}

function otherOrder({ order }: ServingIssuer, { tenant, orderId }: OrderRef): string | undefined {
  if (order === undefined || (order.tenant === tenant && order.orderId === orderId)) {
    return undefined;
  }
  return 'was made for another order and serves nothing else';
}

function retired(issuer: ServingIssuer): string | undefined {
  const { retirement } = issuer;
  if (retirement === undefined) return undefined;
  const { successor = '' } = retirement;
  return closed(issuer) ?? `is retired: '${successor}' has its subject and a new key`;
}

/** The issuer of a name as it is now or, where it is retired, what has taken its place and serves the tenant. */
function lastOf(source: IssuerSource, name: string, tenant: TenantId): ServingIssuer | undefined {
  const passed = new Set<string>();
  let last = source.find(name);
  for (;;) {
    const successor = last?.retirement?.successor;
    if (successor === undefined || passed.has(successor)) return last;
    const next = source.find(successor);
    if (next === undefined || !doesServe(next, tenant)) return last;
    passed.add(successor);
    last = next;
  }
}

/** What has taken the place of issuers of a tenant that are retired. */
function followersOf(source: IssuerSource, tenant: TenantId): readonly ServingIssuer[] {
  const names = source.all
    .filter((issuer) => issuer.retirement !== undefined && doesServe(issuer, tenant))
    .map(({ name }) => name);
  return [...new Set(names.map((name) => lastOf(source, name, tenant)))].filter(
    (issuer) => issuer !== undefined,
  );
}

function noneWithoutName(issuer: ServingIssuer, nowMs: number): CertmillError {
  const refusal = refusalOf(issuer, nowMs) ?? retired(issuer) ?? 'is not served';
  const successor = issuer.retirement?.successor;
  const next =
    successor === undefined
      ? ''
      : `, but is not served here; where the configuration has a section issuers, it has to name '${successor}'`;
  return new CertmillError(
    'CONFLICT',
    `no issuer of this tenant takes orders that name none: '${issuer.name}' ${refusal}${next}`,
  );
}

function closed({ retirement }: ServingIssuer): string | undefined {
  if (retirement?.isClosed !== true) return undefined;
  const { successor } = retirement;
  return `is given up${successor === undefined ? '' : `: '${successor}' takes its place`}`;
}

/**
 * Of the issuers that the profile fits, one of those whose certificates differ in no more than octets of fixed length: samples
 * of ten thousand intermediates of a kind would say the same ten thousand times. In turns, for there may be as many.
 */
async function differentShapes(
  issuers: readonly ServingIssuer[],
  profile: Profile,
  nowMs: number,
): Promise<readonly ServingIssuer[]> {
  const shapes = new Map<string, ServingIssuer>();
  const turns = new Turns();
  for (const issuer of issuers) {
    const isUnfit =
      compileRefusal(profile, issuer) !== undefined ||
      lintAgainstIssuer(profile, issuer).length > 0;
    const shape = isUnfit ? undefined : shapeOf(issuer, profile, nowMs);
    if (shape !== undefined && !shapes.has(shape)) shapes.set(shape, issuer);
    if (turns.isOver) await turns.next();
  }
  return [...shapes.values()];
}

function shapeOf(issuer: ServingIssuer, profile: Profile, nowMs: number): string {
  const { keyType, signatureAlgorithm, name, subjectDer, keyIdentifier, status } = issuer;
  return JSON.stringify([
    ...[keyType, signatureAlgorithm, name.length, subjectDer.length, keyIdentifier.length],
    ...[validityUnder(issuer, profile, nowMs), status ?? null],
    ...[issuer.nameConstraints ?? [], issuer.extKeyUsage ?? [], issuer.policies ?? []],
    heldMatterIds(profile, subjectDer) ?? null,
  ]);
}

/** That of the samples: issuers that were made a day apart give the same, but near their ends. */
function validityUnder(issuer: ServingIssuer, profile: Profile, nowMs: number): unknown {
  try {
    return compileProfile(profile, issuer).validityAt(nowMs);
  } catch {
    // None: its samples tell why.
    return [issuer.notBeforeMs, issuer.notAfterMs];
  }
}
