import type {
  MassCounts,
  MassOperation,
  MassSelection,
  MassState,
  MassWork,
} from '@certmill/domain';
import type {
  DeviceState,
  ForeseenOperation,
  MassDevice,
  MassResult,
  ReasonCounts,
  ResultOutcome,
} from '@certmill/pipeline';

/** A mass operation as clients see it. */
export interface MassOperationView {
  readonly operationId: string;
  readonly kind: MassWork['kind'];
  readonly state: MassState | 'dry-run';
  readonly selection: Omit<MassSelection, 'profileName'> & { readonly profile?: string };
  /** Of a revocation. */
  readonly reason?: string;
  readonly invalidityDate?: string;
  /** Of a reissue: what the new certificates are issued under, in an order of the operation's name. */
  readonly issuer?: string;
  readonly profile?: string;
  readonly expiresAt?: string;
  readonly maxPerSecond?: number;
  readonly createdAt: string;
  readonly createdBy: string;
  /** When it was done, cancelled, failed or paused. */
  readonly endedAt?: string;
  readonly counts: MassCounts;
  /** Of a dry run: how many would be refused or passed over, by why. */
  readonly reasons?: ReasonCounts;
  /** Requests looked at a second since it began. */
  readonly ratePerSecond: number;
  /** Of one that runs, once it has looked at some. */
  readonly etaSeconds?: number;
  readonly failure?: { readonly code: string; readonly message: string; readonly at: string };
}

/** A device of a reissue or renewal, by the certificate that it held when that began. */
export interface MassDeviceView {
  readonly deviceId: string;
  readonly serialNumber: string;
  readonly notAfter: string;
  readonly state: DeviceState;
}

export function massDeviceView({ deviceId, serialNumber, ...device }: MassDevice): MassDeviceView {
  return {
    deviceId,
    serialNumber: Buffer.from(serialNumber).toString('hex'),
    notAfter: iso(device.notAfterMs),
    state: device.state,
  };
}

/** A certificate of an operation's selection, and what became of it. */
export interface MassResultView {
  readonly batchId: string;
  readonly index: number;
  readonly outcome: ResultOutcome;
  readonly reason?: string;
  readonly deviceId?: string;
  readonly serialNumber?: string;
}

export function massResultView({ serialNumber, ...result }: MassResult): MassResultView {
  if (serialNumber === undefined) return result;
  return { ...result, serialNumber: Buffer.from(serialNumber).toString('hex') };
}

/** Of a dry run. */
export function foreseenOperationView(
  { reasons, ...operation }: ForeseenOperation,
  nowMs: number,
): MassOperationView {
  return { ...viewOf(operation, nowMs, 'dry-run'), reasons };
}

export function massOperationView(operation: MassOperation, nowMs: number): MassOperationView {
  return viewOf(operation, nowMs, operation.state);
}

/** @param state as which it is told. */
function viewOf(
  operation: MassOperation,
  nowMs: number,
  state: MassOperationView['state'],
): MassOperationView {
  const { operationId, work, counts, selection, createdAtMs, endedAtMs, failure } = operation;
  const seconds = Math.max(0.001, ((endedAtMs ?? nowMs) - createdAtMs) / 1_000);
  const ratePerSecond = Math.round((counts.lookedAt / seconds) * 10) / 10;
  const { profileName, ...others } = selection;
  return {
    operationId,
    kind: work.kind,
    state,
    selection: { ...others, ...(profileName === undefined ? {} : { profile: profileName }) },
    ...workView(work),
    ...(operation.ratePerSecond === undefined ? {} : { maxPerSecond: operation.ratePerSecond }),
    createdAt: iso(createdAtMs),
    createdBy: operation.createdBy,
    ...(endedAtMs === undefined ? {} : { endedAt: iso(endedAtMs) }),
    counts,
    ratePerSecond,
    ...(state === 'running' && ratePerSecond > 0
      ? { etaSeconds: Math.ceil((counts.requests - counts.lookedAt) / ratePerSecond) }
      : {}),
    ...(failure === undefined
      ? {}
      : { failure: { code: failure.code, message: failure.message, at: iso(failure.atMs) } }),
  };
}

function workView(
  work: MassOperation['work'],
): Pick<MassOperationView, 'reason' | 'invalidityDate' | 'issuer' | 'profile' | 'expiresAt'> {
  if (work.kind !== 'revoke') {
    const { issuer, profileName: profile, expiresAtMs } = work;
    return { issuer, profile, expiresAt: iso(expiresAtMs) };
  }
  const { reason, invalidityDateMs } = work;
  return {
    reason,
    ...(invalidityDateMs === undefined ? {} : { invalidityDate: iso(invalidityDateMs) }),
  };
}

function iso(atMs: number): string {
  return new Date(atMs).toISOString();
}
