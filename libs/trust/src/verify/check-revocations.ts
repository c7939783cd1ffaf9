import {
  auditBreakOf,
  isCertmillError,
  crlShardOf,
  requestOfSerialNumber,
  serialKeyIdOf,
  serialNumberBefore,
  type BatchId,
  type CertmillError,
  type CertificateStatus,
  type ChainedAuditEntry,
  type SerialKey,
  type TenantId,
} from '@certmill/domain';
import { listScope } from '@certmill/pipeline';
import type {
  AuditStore,
  CertificateStore,
  CrlScope,
  RevocationStore,
  RevokedCertificate,
} from '@certmill/ports';
import type { Issuer } from '../hierarchy/load-issuers.js';

export interface RevocationCheckParts {
  readonly store: RevocationStore & AuditStore & Pick<CertificateStore, 'getStatus'>;
  readonly issuers: readonly Issuer[];
  readonly serialKeys: ReadonlyMap<number, SerialKey>;
  /** Of the batches of the store. */
  readonly tenantOf: (batchId: BatchId) => TenantId | undefined;
  readonly find: (finding: string) => void;
}

const entriesAtOnce = 1_000;

/** Certificates of a chunk whose status was ever changed. */
export interface ChangedCertificate {
  readonly index: number;
  readonly serialNumber: Uint8Array;
  readonly status: CertificateStatus;
}

/** Each status has its row in the scope of its CRL, beyond the end of its certificate too. */
export async function checkRowsOf(
  { store, find }: Pick<RevocationCheckParts, 'store' | 'find'>,
  issuer: Issuer,
  batchId: BatchId,
  changed: readonly ChangedCertificate[],
): Promise<void> {
  for (const { index, serialNumber, status } of changed) {
    const shard = crlShardOf(batchId, index, issuer.status?.crlShards ?? 0);
    const scope = { issuer: issuer.name, shard };
    const after = serialNumberBefore(serialNumber);
    const [row] = await store
      .listRevoked(scope, { limit: 1, after, changedSince: 0 })
      .catch((error: unknown) => {
        // Its scope is told of once, by `checkRevocations`.
        if (isForged(error)) return [];
        throw error;
      });
    const own = row !== undefined && isSame(row.serialNumber, serialNumber) ? row : undefined;
    if (own === undefined || !isRowOf(own, status)) {
      find(`batch ${batchId}, index ${String(index)}: its status is not in the rows of its CRL`);
    }
  }
}

/** Each row of a scope is a certificate of its shard with that status; the audit trail is whole. */
export async function checkRevocations(parts: RevocationCheckParts): Promise<void> {
  for (const issuer of parts.issuers) {
    const shards = Math.max(1, issuer.status?.crlShards ?? 0);
    for (let shard = 0; shard < shards; shard += 1) {
      const scope = { issuer: issuer.name, shard };
      try {
        await parts.store.countChanges(scope);
        await checkScope(parts, scope, shards);
      } catch (error) {
        if (!isForged(error)) throw error;
        parts.find(`the CRL of '${issuer.name}', shard ${String(shard)}: ${error.message}`);
      }
    }
  }
  await checkAuditTrail(parts);
}

async function checkScope(
  { store, serialKeys, tenantOf, find }: RevocationCheckParts,
  scope: CrlScope,
  shards: number,
): Promise<void> {
  for await (const rows of listScope(store, scope, { changedSince: 0 })) {
    for (const row of rows) {
      const serialHex = Buffer.from(row.serialNumber).toString('hex');
      const keyId = serialKeyIdOf(row.serialNumber);
      const key = keyId === undefined ? undefined : serialKeys.get(keyId);
      const request = key && requestOfSerialNumber(key, row.serialNumber);
      const tenant = request && tenantOf(request.batchId);
      if (request === undefined || tenant === undefined) {
        find(`the CRL of '${scope.issuer}' has ${serialHex}, which is of no batch`);
        continue;
      }
      const { batchId, index } = request;
      const status = await store.getStatus(tenant, batchId, index);
      if (!isRowOf(row, status) || crlShardOf(batchId, index, shards) !== scope.shard) {
        find(`the CRL of '${scope.issuer}' has ${serialHex}, whose status is another`);
      }
    }
  }
}

async function checkAuditTrail({ store, find }: RevocationCheckParts): Promise<void> {
  let last: ChainedAuditEntry | undefined;
  for (;;) {
    const after = last === undefined ? {} : { after: last.sequence };
    const entries = await store.listAudit({ limit: entriesAtOnce, ...after });
    const broken = auditBreakOf(entries, last);
    if (broken !== undefined) {
      find(`the audit trail is broken at entry ${String(broken)}`);
      return;
    }
    last = entries.at(-1);
    if (last === undefined || entries.length < entriesAtOnce) return;
  }
}

function isRowOf(row: RevokedCertificate, status: CertificateStatus): boolean {
  if (status.state === 'good') {
    return row.reason === 'removeFromCRL' && status.releasedAtMs === row.revokedAtMs;
  }
  const { reason, atMs, invalidityDateMs } = status;
  return (
    row.reason === reason && row.revokedAtMs === atMs && row.invalidityDateMs === invalidityDateMs
  );
}

function isForged(error: unknown): error is CertmillError {
  return isCertmillError(error) && error.code === 'FAULT_STATUS_FORGED';
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
