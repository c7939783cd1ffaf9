import type { CrlScope } from '@certmill/ports';
import type { Collections } from '../collections.js';
import { encodeRows, type ScopeRow } from '../revocations/row-codec.js';
import { blockKey, scopeKey } from '../revocations/scope-documents.js';
import { rowsPerBlock } from '../revocations/scope-snapshots.js';

/** Blocks are the same each time: one that is there is of an import that did not end. */
const snapshotId = 'import';

/** The rows of one scope that were made elsewhere, as the snapshot that its log begins behind. */
export class RevocationImport {
  readonly #collections: Pick<Collections, 'crlScopes' | 'crlBlocks'>;
  readonly #scope: CrlScope;
  readonly #changedAtMs: number;
  readonly #firsts: string[] = [];
  #waiting: ScopeRow[] = [];
  #rows = 0;
  #changes = 0;

  constructor(
    collections: Pick<Collections, 'crlScopes' | 'crlBlocks'>,
    scope: CrlScope,
    changedAtMs: number,
  ) {
    this.#changedAtMs = changedAtMs;
    this.#collections = collections;
    this.#scope = scope;
  }

  /** In order of the serial numbers. */
  async add(row: ScopeRow): Promise<void> {
    this.#waiting.push(row);
    this.#changes = Math.max(this.#changes, row.change);
    if (this.#waiting.length === rowsPerBlock) await this.#flush();
  }

  /** The scope is there with it. */
  async finish(): Promise<void> {
    await this.#flush();
    const { issuer, shard } = this.#scope;
    await this.#collections.crlScopes.insert({
      _id: scopeKey(this.#scope),
      issuer,
      shard,
      intended: 0,
      applied: 0,
      changes: this.#changes,
      changedAtMs: this.#changedAtMs,
      snapshot: {
        id: snapshotId,
        upTo: 0,
        rows: this.#rows,
        changes: this.#changes,
        firsts: this.#firsts,
      },
    });
  }

  async #flush(): Promise<void> {
    const [first] = this.#waiting;
    if (first === undefined) return;
    const _id = blockKey(this.#scope, snapshotId, this.#firsts.length);
    await this.#collections.crlBlocks.insert({ _id, rows: encodeRows(this.#waiting) });
    this.#firsts.push(Buffer.from(first.serialNumber).toString('hex'));
    this.#rows += this.#waiting.length;
    this.#waiting = [];
  }
}
