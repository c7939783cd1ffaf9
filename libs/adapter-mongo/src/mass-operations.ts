import type {
  ChunkOutcome,
  ChunkPlace,
  FrozenBatch,
  MassOperation,
  TenantId,
} from '@certmill/domain';
import type {
  Clock,
  FrozenSelectionName,
  MassOperationStore,
  OutcomeQuery,
  Page,
  PageRequest,
} from '@certmill/ports';
import type { Collections } from './collections.js';
import { idsUnder, type Documents, type Stored, type Where } from './connection/documents.js';
import { listingKeyPattern, type ListingKeys } from './listing-keys.js';
import { cursorPlace, pageLimit, pageOf } from './page-cursor.js';

/** `_id`: `<tenant>/<operation>`. */
export interface MassOperationDocument extends Stored {
  readonly tenant: TenantId;
  readonly version: number;
  readonly operation: MassOperation;
  /** What the change to this version came with; it may not stand among the outcomes yet. */
  readonly outcome?: ChunkOutcome;
  /** Of `ListingKeys`. */
  readonly listedAs: string;
}

/** `_id`: `<tenant>/<freeze id>/<page, 6 digits>`. */
export interface FrozenPageDocument extends Stored {
  readonly tenant: TenantId;
  readonly operationId: string;
  readonly freezeId: string;
  /** Never changes. */
  readonly batches: readonly FrozenBatch[];
  /** Of a first page, until its operation is added. */
  readonly unnamedSinceMs?: number;
}

/** `_id`: `<tenant>/<operation>/<place of the chunk>`. */
export interface OutcomeDocument extends Stored {
  /** Of the operation when it was stored. */
  readonly version: number;
  readonly outcome: ChunkOutcome;
  /** `<tenant>/<operation>`, while the chunk is on its way. */
  readonly pendingOf?: string;
}

const fields = ['operation', 'listedAs'] as const;
/** Who is still freezing after so long was killed. */
const abandonedAfterMs = 3_600_000;

type OperationName = Pick<MassOperation, 'tenant' | 'operationId'>;
type Parts = Pick<Collections, 'massOperations' | 'frozenPages' | 'massOutcomes'>;

/** Mass operations, changed by compare-and-set. */
export class MassOperations implements MassOperationStore {
  readonly #operations: Documents<MassOperationDocument>;
  readonly #pages: Documents<FrozenPageDocument>;
  readonly #outcomes: Documents<OutcomeDocument>;
  readonly #listingKeys: ListingKeys;
  readonly #clock: Clock;

  constructor(
    { massOperations, frozenPages, massOutcomes }: Parts,
    listingKeys: ListingKeys,
    clock: Clock,
  ) {
    this.#operations = massOperations;
    this.#pages = frozenPages;
    this.#outcomes = massOutcomes;
    this.#listingKeys = listingKeys;
    this.#clock = clock;
  }

  async putFrozenPage(
    { tenant, operationId, freezeId }: FrozenSelectionName,
    page: number,
    batches: readonly FrozenBatch[],
  ): Promise<void> {
    const unnamed = page === 0 ? { unnamedSinceMs: this.#clock.nowMs() } : {};
    const _id = pageKeyOf(tenant, freezeId, page);
    await this.#pages.put({ _id, tenant, operationId, freezeId, batches, ...unnamed });
  }

  async frozenPage(
    { tenant, freezeId }: FrozenSelectionName,
    page: number,
  ): Promise<readonly FrozenBatch[]> {
    return (await this.#pages.get(pageKeyOf(tenant, freezeId, page), ['batches']))?.batches ?? [];
  }

  dropFrozen({ tenant, freezeId }: FrozenSelectionName): Promise<void> {
    return this.#pages.removeAll(idsUnder(`${tenant}/${freezeId}/`));
  }

  async addOperation(operation: MassOperation): Promise<boolean> {
    const { tenant, operationId, freezeId, version } = operation;
    const _id = keyOf(tenant, operationId);
    const listedAs = this.#listingKeys.next();
    const document = { _id, tenant, version, operation, listedAs };
    const isAdded = (await this.#operations.insert(document)) === 'inserted';
    if (isAdded) await this.#name(tenant, freezeId);
    await this.#dropAbandoned(tenant);
    return isAdded;
  }

  async #name(tenant: TenantId, freezeId: string): Promise<void> {
    const _id = pageKeyOf(tenant, freezeId, 0);
    await this.#pages.update({ _id }, { $unset: { unnamedSinceMs: '' } });
  }

  /** Pages of those who were killed while they froze, and not of those killed right after. */
  async #dropAbandoned(tenant: TenantId): Promise<void> {
    const unnamedSinceMs = { $lt: this.#clock.nowMs() - abandonedAfterMs };
    const found = await this.#pages.find(
      { tenant, unnamedSinceMs },
      { sort: { unnamedSinceMs: 1 }, limit: 10, fields: ['tenant', 'operationId', 'freezeId'] },
    );
    for (const frozen of found) {
      const named = (await this.getOperation(tenant, frozen.operationId))?.freezeId;
      if (named === frozen.freezeId) await this.#name(tenant, frozen.freezeId);
      else await this.dropFrozen(frozen);
    }
  }

  async getOperation(tenant: TenantId, operationId: string): Promise<MassOperation | undefined> {
    return (await this.#operations.get(keyOf(tenant, operationId), fields))?.operation;
  }

  /** All shards look into their index by tenant and listing key. */
  listOperations(tenant: TenantId, page: PageRequest): Promise<Page<MassOperation>> {
    return this.#listed({ tenant }, page);
  }

  /** By an index of its own, as above. */
  listRunning(page: PageRequest): Promise<Page<MassOperation>> {
    return this.#listed({ 'operation.state': 'running' }, page);
  }

  async #listed(of: Where, page: PageRequest): Promise<Page<MassOperation>> {
    const limit = pageLimit(page);
    const before = cursorPlace(page, listingKeyPattern);
    const where = before === undefined ? of : { ...of, listedAs: { $lt: before } };
    const found = await this.#operations.find(where, {
      sort: { listedAs: -1 },
      limit: limit + 1,
      fields,
    });
    return pageOf(
      found,
      limit,
      ({ operation }) => operation,
      ({ listedAs }) => listedAs,
    );
  }

  /**
   * The outcome is part of the change: of a writer that is too late nothing is stored. Put among the others
   * behind it, here or, where that was not done, before the next change and before they are listed.
   */
  async saveOperation(
    operation: MassOperation,
    expectedVersion: number,
    outcome?: ChunkOutcome,
  ): Promise<boolean> {
    const { tenant, operationId, version } = operation;
    if ((await this.#putLastOutcome(operation)) !== expectedVersion) return false;
    const isSaved = await this.#operations.update(
      { _id: keyOf(tenant, operationId), version: expectedVersion },
      outcome === undefined
        ? { $set: { version, operation }, $unset: { outcome: '' } }
        : { $set: { version, operation, outcome } },
    );
    if (isSaved && outcome !== undefined) await this.putOutcome(operation, outcome);
    return isSaved;
  }

  /** Resolves to the version that is stored. */
  async #putLastOutcome({ tenant, operationId }: OperationName): Promise<number | undefined> {
    const stored = await this.#operations.get(keyOf(tenant, operationId), ['version', 'outcome']);
    if (stored?.outcome !== undefined) {
      await this.putOutcome({ tenant, operationId, version: stored.version }, stored.outcome);
    }
    return stored?.version;
  }

  async putOutcome(
    { tenant, operationId, version }: OperationName & Pick<MassOperation, 'version'>,
    outcome: ChunkOutcome,
  ): Promise<void> {
    const of = keyOf(tenant, operationId);
    const _id = `${of}/${placeKeyOf(outcome)}`;
    const pending = outcome.isPending ? { pendingOf: of } : {};
    await this.#outcomes.putNewer([{ _id, version, outcome, ...pending }], 'version');
  }

  async listOutcomes(
    name: OperationName,
    { after, limit, isPending }: OutcomeQuery,
  ): Promise<readonly ChunkOutcome[]> {
    await this.#putLastOutcome(name);
    const { tenant, operationId } = name;
    const of = keyOf(tenant, operationId);
    const those = idsUnder(`${of}/`, after && placeKeyOf(after));
    const where = isPending === undefined ? those : { ...those, pendingOf: of };
    const found = await this.#outcomes.find(where, { sort: { _id: 1 }, limit });
    return found.map(({ outcome }) => outcome);
  }
}

/** By digits that sort as the numbers do. */
function placeKeyOf({ batch, chunkNumber }: ChunkPlace): string {
  return `${String(batch).padStart(8, '0')}.${String(chunkNumber).padStart(9, '0')}`;
}

function keyOf(tenant: TenantId, operationId: string): string {
  return `${tenant}/${operationId}`;
}

function pageKeyOf(tenant: TenantId, freezeId: string, page: number): string {
  return `${tenant}/${freezeId}/${String(page).padStart(6, '0')}`;
}
