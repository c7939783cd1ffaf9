import { hash } from 'node:crypto';
import type { CertificateChange, ChunkRef, TenantId } from '@certmill/domain';
import {
  applyChange,
  type ChangeCounts,
  type ChangedItem,
  type ChangePorts,
} from './apply-changes.js';
import { assertInvalidityDate } from './assert-invalidity-date.js';
import type { IssuedCertificate } from './read-certificates.js';
import { recordAudit, type AuditPorts } from './record-audit.js';
import {
  nameText,
  selectCertificates,
  type Selection,
  type SelectionPorts,
} from './select-certificates.js';

export interface ChangeCertificatesPorts extends SelectionPorts, ChangePorts, AuditPorts {
  readonly certificates: SelectionPorts['certificates'] & ChangePorts['certificates'];
}

/** Who changes the status of which certificates, and how. */
export interface CertificatesChange {
  /** As the audit trail names them. */
  readonly actor: string;
  /** In which they are looked for. */
  readonly tenants: readonly TenantId[];
  readonly selection: Selection;
  readonly change: CertificateChange;
  readonly isDryRun?: boolean;
  /** Nothing more is looked at or changed once it aborts; its reason is thrown. */
  readonly signal?: AbortSignal;
  readonly onItems?: (items: readonly ChangedItem[]) => void;
}

/** Certificates of a call of which each has an entry of its own in the audit trail. */
const maxNamedAlone = 100;

/**
 * Revokes, holds or releases the certificates of a selection. The trail has an entry before the first
 * change, one with serial numbers before each chunk that is changed, one for each certificate of a short
 * list behind it, and one with the counts; all say by which number the first one went. A call that was
 * killed leaves them off somewhere, and done again it does the rest. Faults: those of `selectCertificates`,
 * INVALID_INPUT for dates that cannot be, and when all is changed that of `onChanged`: done again it is
 * told again.
 */
export async function changeCertificates(
  ports: ChangeCertificatesPorts,
  { actor, tenants, selection, change, isDryRun = false, signal, onItems }: CertificatesChange,
): Promise<ChangeCounts> {
  if (change.kind === 'revoke') assertInvalidityDate(change, ports.clock.nowMs());
  const selected = whileWanted(selectCertificates(ports, tenants, selection), signal);
  const report = onItems === undefined ? {} : { onItems };
  if (isDryRun) return applyChange(ports, selected, change, { isDryRun, ...report });
  const [only, ...others] = tenants;
  const about = only === undefined || others.length > 0 ? {} : { tenant: only };
  const told = { ...detailOf(selection), ...detailOfChange(change) };
  const action = 'revocation.begun';
  const { sequence: begun } = await recordAudit(ports, { ...about, actor, action, detail: told });
  const isShort = selection.by === 'names' && selection.names.length <= maxNamedAlone;
  const trail: ChangeTrail = { actor, begun, change };
  const telling = new Telling(ports);
  const counts = await applyChange(
    { ...ports, onChanged: (chunks) => telling.tell(chunks) },
    selected,
    change,
    {
      onBefore: (certificates) => recordChanging(ports, trail, certificates),
      async onItems(items) {
        if (isShort) await recordChanged(ports, trail, items);
        onItems?.(items);
      },
    },
  );
  const detail = { begun, ...told, ...counts };
  await recordAudit(ports, { ...about, actor, action: 'revocation.ended', detail });
  telling.assertTold();
  return counts;
}

async function* whileWanted<T>(
  items: AsyncIterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T> {
  for await (const item of items) {
    signal?.throwIfAborted();
    yield item;
  }
}

interface ChangeTrail {
  readonly actor: string;
  /** Number of the entry with which it began. */
  readonly begun: number;
  readonly change: CertificateChange;
}

/** What is about to be changed, by tenant: whoever dies right behind it has not changed it silently. */
async function recordChanging(
  ports: AuditPorts,
  { actor, begun, change }: ChangeTrail,
  certificates: readonly IssuedCertificate[],
): Promise<void> {
  for (const [tenant, own] of Map.groupBy(certificates, (each) => each.tenant)) {
    const serialNumbers = own.map(serialHexOf).join(' ');
    const detail = { begun, certificates: own.length, serialNumbers, ...detailOfChange(change) };
    await recordAudit(ports, { tenant, actor, action: 'revocation.chunk', detail });
  }
}

async function recordChanged(
  ports: AuditPorts,
  { actor, begun, change }: ChangeTrail,
  items: readonly ChangedItem[],
): Promise<void> {
  const action = actionOf(change);
  for (const item of items) {
    if (item.outcome !== 'changed') continue;
    const { tenant, batchId, index, scope } = item.certificate;
    const serialNumber = serialHexOf(item.certificate);
    const detail = { begun, serialNumber, batchId, index, issuer: scope.issuer };
    const told = { ...detail, ...detailOfChange(change) };
    await recordAudit(ports, { tenant, actor, action, detail: told });
  }
}

/** Revoking goes on where nobody can be told of it, and the call fails at its end. */
class Telling {
  readonly #onChanged: ChangePorts['onChanged'];
  readonly #faults: unknown[] = [];

  constructor({ onChanged }: Pick<ChangePorts, 'onChanged'>) {
    this.#onChanged = onChanged;
  }

  async tell(chunks: readonly ChunkRef[]): Promise<void> {
    await this.#onChanged?.(chunks).catch((error: unknown) => this.#faults.push(error));
  }

  assertTold(): void {
    if (this.#faults.length > 0) throw this.#faults[0];
  }
}

function serialHexOf({ serialNumber }: IssuedCertificate): string {
  return Buffer.from(serialNumber).toString('hex');
}

function actionOf(change: CertificateChange): string {
  if (change.kind === 'release') return 'certificate.released';
  return change.reason === 'certificateHold' ? 'certificate.held' : 'certificate.revoked';
}

function detailOf(selection: Selection): Record<string, string | number> {
  switch (selection.by) {
    case 'names': {
      const [first, ...others] = selection.names;
      return {
        selection: first?.by ?? 'names',
        names: selection.names.length,
        // Of the list, a name a line.
        sha256: hash(
          'sha256',
          selection.names.map((name) => `${nameText(name)}\n`).join(''),
          'hex',
        ),
        ...(first === undefined || others.length > 0 ? {} : { name: nameText(first) }),
      };
    }
    case 'batch':
      return { selection: 'batch', name: selection.batchId };
    case 'order':
      return { selection: 'order', name: selection.orderId };
    case 'issuer':
      return { selection: 'issuer', name: selection.issuer };
  }
}

function detailOfChange(change: CertificateChange): Record<string, string> {
  if (change.kind === 'release') return { change: 'release' };
  const { reason, invalidityDateMs } = change;
  return {
    change: 'revoke',
    reason,
    ...(invalidityDateMs === undefined
      ? {}
      : { invalidityDate: new Date(invalidityDateMs).toISOString() }),
  };
}
