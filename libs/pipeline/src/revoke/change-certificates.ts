import { hash } from 'node:crypto';
import type { CertificateChange, ChunkRef, TenantId } from '@certmill/domain';
import {
  applyChange,
  type ApplyOptions,
  type ChangeCounts,
  type ChangedItem,
  type ChangePorts,
} from './apply-changes.js';
import { assertInvalidityDate } from './assert-invalidity-date.js';
import { PendingRequests } from './pending-requests.js';
import type { IssuedCertificate } from './read-certificates.js';
import { recordAudit, type AuditPorts } from './record-audit.js';
import {
  nameText,
  selectCertificates,
  type FoundRequests,
  type Look,
  type Selected,
  type Selection,
  type SelectionPorts,
} from './select-certificates.js';
import { KeyWatch } from './watch-keys.js';

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

/** What became of them, and what may still come of the selection. */
export interface ChangesMade extends ChangeCounts {
  /**
   * Requests of the selection that were accepted and have not ended: each may still be issued. Of devices and UDIDs
   * also what was judged while they were changed, ended or not: that is left as it is. Where the reason is
   * keyCompromise, other requests with the keys of the certificates too. None where holds are released.
   */
  readonly pending: number;
  /** Under which they were found: batches, devices, and UDIDs (64 hex digits) of keys. */
  readonly pendingNames: readonly string[];
}

/** Certificates of a call of which each has an entry of its own in the audit trail. */
const maxNamedAlone = 100;
/** Looked at once more when what was found of them is changed. */
const namesAtOnce = 250;

/**
 * Revokes, holds or releases the certificates of a selection, and tells what of it is on its way. The trail has an
 * entry before the first change, one with serial numbers before each chunk that is changed, one for each certificate
 * of a short list behind it, and one with the counts; all say by which number the first one went. A call that was
 * killed leaves them off somewhere, and done again it does the rest. Faults: those of `selectCertificates`,
 * INVALID_INPUT for dates that cannot be, and when all is changed that of `onChanged`: done again it is
 * told again.
 */
export async function changeCertificates(
  ports: ChangeCertificatesPorts,
  { actor, tenants, selection, change, isDryRun = false, signal, onItems }: CertificatesChange,
): Promise<ChangesMade> {
  if (change.kind === 'revoke') assertInvalidityDate(change, ports.clock.nowMs());
  const wanted = { tenants, selection, change, isDryRun, signal };
  const report = onItems === undefined ? {} : { onItems };
  if (isDryRun) {
    // Of named ones alone: nothing else can be selected twice.
    const told = selection.by === 'names' ? { told: new Set<string>() } : {};
    return applyToSelection(ports, wanted, { isDryRun, ...told, ...report });
  }
  const [only, ...others] = tenants;
  const about = only === undefined || others.length > 0 ? {} : { tenant: only };
  const told = { ...detailOf(selection), ...detailOfChange(change) };
  const action = 'revocation.begun';
  const { sequence: begun } = await recordAudit(ports, { ...about, actor, action, detail: told });
  const isShort = selection.by === 'names' && selection.names.length <= maxNamedAlone;
  const trail: ChangeTrail = { actor, begun, change };
  const telling = new Telling(ports);
  const { pendingNames, ...counts } = await applyToSelection(
    { ...ports, onChanged: (chunks) => telling.tell(chunks) },
    wanted,
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
  return { ...counts, pendingNames };
}

type Wanted = Required<
  Pick<CertificatesChange, 'tenants' | 'selection' | 'change' | 'isDryRun'>
> & {
  readonly signal: AbortSignal | undefined;
};

/**
 * Part by part. A request may end between the look at its device and the change, or get accepted by a claim that is
 * taken over from the very certificate that is changed then; so devices and UDIDs are looked at again when the change
 * is durable. Of what the first look has found on its way, which was judged ahead of the change, what has ended is
 * changed as well, and the rest is pending. What only the second look finds is never changed: it may be an enrolment
 * with a new key that came once the change had freed the claim. Nor can it be told from what was judged between the
 * first look and the change, so all of it is pending, also what has ended, and people decide.
 */
async function applyToSelection(
  ports: ChangeCertificatesPorts,
  { tenants, selection, change, isDryRun, signal }: Wanted,
  options: ApplyOptions,
): Promise<ChangesMade> {
  const pending = new PendingRequests();
  const counts = { changed: 0, unchanged: 0, refused: 0, notFound: 0 };
  for (const part of partsOf(selection)) {
    const look = async (at: Look, isAgain = false): Promise<void> => {
      const selected = selectCertificates(ports, tenants, part.selection, at);
      const watched = isAgain ? foundIn(selected) : selected;
      const watch =
        part.namesKeys || !isLossOfKey(change) ? undefined : new KeyWatch(ports, pending);
      addCounts(
        counts,
        await applyChange(
          ports,
          whileWanted(watched, signal),
          change,
          watch === undefined ? options : watchingKeys(options, watch),
        ),
      );
    };
    const isOnce = isDryRun || change.kind === 'release' || !part.namesKeys;
    const found: FoundRequests = new Map();
    await look({ pending: isOnce ? pending : new PendingRequests(), found });
    if (!isOnce) await look({ pending, before: found }, true);
  }
  const isTold = change.kind === 'revoke';
  return {
    ...counts,
    pending: isTold ? pending.count : 0,
    pendingNames: isTold ? pending.names : [],
  };
}

interface SelectionPart {
  readonly selection: Selection;
  /** By device or UDID: all requests of a key are found by its name. */
  readonly namesKeys: boolean;
}

function* partsOf(selection: Selection): Generator<SelectionPart> {
  if (selection.by !== 'names') {
    yield { selection, namesKeys: false };
    return;
  }
  const [serialNumbers, others] = [
    selection.names.filter(({ by }) => by === 'serialNumber'),
    selection.names.filter(({ by }) => by !== 'serialNumber'),
  ];
  for (const [names, namesKeys] of [
    [serialNumbers, false],
    [others, true],
  ] as const) {
    for (let at = 0; at < names.length; at += namesAtOnce) {
      yield { selection: { by: 'names', names: names.slice(at, at + namesAtOnce) }, namesKeys };
    }
  }
}

function isLossOfKey(change: CertificateChange): boolean {
  return change.kind === 'revoke' && change.reason === 'keyCompromise';
}

function watchingKeys(options: ApplyOptions, watch: KeyWatch): ApplyOptions {
  return {
    ...options,
    onGroup: (certificates) => watch.before(certificates),
    async onItems(items) {
      await watch.after(items.flatMap((item) => ('certificate' in item ? item.certificate : [])));
      await options.onItems?.(items);
    },
  };
}

function addCounts(sum: Record<keyof ChangeCounts, number>, counts: ChangeCounts): void {
  sum.changed += counts.changed;
  sum.unchanged += counts.unchanged;
  sum.refused += counts.refused;
  sum.notFound += counts.notFound;
}

/** What is not found was told the first time. */
async function* foundIn(selected: AsyncIterable<Selected>): AsyncGenerator<Selected> {
  for await (const each of selected) if (each.certificate !== undefined) yield each;
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
