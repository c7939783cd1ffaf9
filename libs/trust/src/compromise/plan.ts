import { assertName, canonicalJson, CertmillError, type RevocationReason } from '@certmill/domain';

/**
 * The steps of leaving an issuer, in the order in which a population is never without certificates. Of
 * each run it has those that `stepsOf` says, in its order.
 */
export const compromiseSteps = [
  'successor',
  'close',
  'drain',
  'reissue',
  'revoke',
  'crls',
  'revoke-ca',
  'parent-crl',
] as const;

export type CompromiseStep = (typeof compromiseSteps)[number];

/** The CA that takes the place of the issuer, as it was asked for; the texts are those of `ca issue`. */
export interface SuccessorWish {
  readonly name: string;
  /** The CA that signs it; absent: the one that signed the issuer. */
  readonly under?: string;
  readonly key?: string;
  readonly subject?: string;
  readonly lifetime?: string;
  readonly statusUrl?: string;
  readonly crlShards?: string;
  /** File that names the PKCS#11 token of its key. */
  readonly slot?: string;
}

/** What is to be done, as somebody typed it. Typed again for a run, it MUST be the same. */
export interface CompromiseWish {
  /** Of the run: its mass operations begin with it. */
  readonly name: string;
  readonly issuer: string;
  /** Why the CA certificate is revoked (RFC 5280 5.3.1). */
  readonly reason: RevocationReason;
  /** Why those of devices are; absent: `deviceReasonFor`. */
  readonly deviceReason?: RevocationReason;
  readonly successor?: SuccessorWish;
  readonly isReissued: boolean;
  /** The CA is revoked before its population is reissued: its key is being used by others. */
  readonly isCaFirst: boolean;
  /** The CA certificate stays: other tenants have certificates of it. */
  readonly keepsCa: boolean;
  readonly ratePerSecond?: number;
}

/** What a wish meets when its run begins. */
export interface CompromiseFacts {
  readonly serialNumberHex: string;
  /** Some other CA has signed it: a root revokes nothing of itself (RFC 5280 6.1). */
  readonly hasParent: boolean;
  readonly isSuccessorThere: boolean;
  readonly nowMs: number;
}

/** A frozen run: everything that decides what its steps do. */
export interface CompromisePlan {
  readonly wish: CompromiseWish;
  /** Of the CA certificate that the run is about. */
  readonly serialNumberHex: string;
  readonly deviceReason: RevocationReason;
  /** False where the successor was there before. */
  readonly makesSuccessor: boolean;
  readonly steps: readonly CompromiseStep[];
  readonly createdAtMs: number;
}

/** Operation and order ids are names of up to 63 characters, and those of a run begin with its name. */
const maxRunName = 48;

/** Freezes a run. INVALID_INPUT for what cannot be meant. */
export function planCompromise(wish: CompromiseWish, facts: CompromiseFacts): CompromisePlan {
  assertWish(wish);
  return {
    wish,
    serialNumberHex: facts.serialNumberHex,
    deviceReason: wish.deviceReason ?? deviceReasonFor(wish),
    makesSuccessor: wish.successor !== undefined && !facts.isSuccessorThere,
    steps: stepsOf(wish, facts),
    createdAtMs: facts.nowMs,
  };
}

/**
 * The reason of the certificates of devices under a CA that is revoked for another one: cACompromise is
 * of CA certificates only (RFC 5280 5.3.1, X.509 9.5.3.1). Devices that have others for the same keys by then
 * are superseded; keyCompromise blocks those keys, and is for devices that are to make new ones.
 */
export function deviceReasonFor({
  reason,
  isReissued,
}: Pick<CompromiseWish, 'reason' | 'isReissued'>): RevocationReason {
  if (reason !== 'cACompromise') return reason;
  return isReissued ? 'superseded' : 'keyCompromise';
}

/**
 * Nothing new comes in before anything else is done. The CA goes last, for the CRLs of a revoked one
 * bind nobody; first where somebody else signs with its key, for his certificates are on no list.
 */
export function stepsOf(
  { successor, isReissued, isCaFirst, keepsCa }: CompromiseWish,
  { hasParent }: Pick<CompromiseFacts, 'hasParent'>,
): readonly CompromiseStep[] {
  const ca: readonly CompromiseStep[] = keepsCa || !hasParent ? [] : ['revoke-ca', 'parent-crl'];
  const population: readonly CompromiseStep[] = [
    'drain',
    ...(isReissued ? (['reissue'] as const) : []),
    'revoke',
    'crls',
  ];
  return [
    ...(successor === undefined ? [] : (['successor'] as const)),
    'close',
    ...(isCaFirst ? [...ca, ...population] : [...population, ...ca]),
  ];
}

/** CONFLICT where a run of the name was begun as another one, with what differs. */
export function assertSameWish({ wish: begun }: CompromisePlan, wish: CompromiseWish): void {
  if (canonicalJson(begun) === canonicalJson(wish)) return;
  const [before, now] = [begun, wish].map(partsOf) as [Parts, Parts];
  const differing = [...new Set([...before.keys(), ...now.keys()])]
    .filter((part) => before.get(part) !== now.get(part))
    .map((part) => `${part} ${before.get(part) ?? 'none'}, not ${now.get(part) ?? 'none'}`);
  throw new CertmillError(
    'CONFLICT',
    `the run '${begun.name}' was begun with ${differing.join('; ')}: type it as it was, or --name another`,
  );
}

/** Names of the mass operations of a run: the same whenever it is asked. */
export function reissueOperationOf({ name }: Pick<CompromiseWish, 'name'>, index: number): string {
  return `${name}-reissue-${String(index + 1)}`;
}

export function revokeOperationOf({ name }: Pick<CompromiseWish, 'name'>): string {
  return `${name}-revoke`;
}

type Parts = ReadonlyMap<string, string>;

function partsOf({ successor = { name: '' }, ...wish }: CompromiseWish): Parts {
  const own = Object.entries(wish);
  const next = Object.entries(successor).map(
    ([part, value]: [string, unknown]) => [`successor ${part}`, value] as const,
  );
  return new Map([...own, ...next].map(([part, value]) => [part, String(value)]));
}

function assertWish(wish: CompromiseWish): void {
  const { name, issuer, successor, isReissued, isCaFirst, keepsCa, reason, deviceReason } = wish;
  assertName('run', name);
  if (name.length > maxRunName) {
    throw refused(`the name of a run has at most ${String(maxRunName)} characters: give --name`);
  }
  if (successor === undefined && isReissued) {
    throw refused('say which issuer takes its place: --to NAME; or --no-reissue');
  }
  if (successor?.name === issuer) throw refused('an issuer does not take its own place');
  if (isCaFirst && keepsCa) throw refused('--revoke-first and --keep-ca contradict each other');
  if (reason === 'certificateHold' || deviceReason === 'certificateHold') {
    throw refused('nothing is put on hold here: certificateHold is no reason');
  }
  if (deviceReason === 'cACompromise') {
    throw refused(
      'cACompromise is of CA certificates (RFC 5280 5.3.1): devices have keyCompromise',
    );
  }
}

function refused(reason: string): CertmillError {
  return new CertmillError('INVALID_INPUT', reason);
}
