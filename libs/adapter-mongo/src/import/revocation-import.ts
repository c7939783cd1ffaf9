import type { CrlScope } from '@certmill/ports';
import type { Collections } from '../collections.js';
import { encodeRows, type ScopeRow } from '../revocations/row-codec.js';
import { blockKey, logKey, scopeKey } from '../revocations/scope-documents.js';
import { contentOf, digestOfBlock, type ScopeSeals } from '../revocations/scope-seals.js';
import { rowsPerBlock } from '../revocations/scope-snapshots.js';

/** Blocks are the same each time: one that is there is of an import that did not end. */
const snapshotId = 'import';
const importEntry = 1;

/** The rows of one scope that were made elsewhere, as the snapshot that its log begins behind. */
export class RevocationImport {
  readonly #collections: Pick<Collections, 'crlScopes' | 'crlBlocks' | 'crlLogs'>;
  readonly #scope: CrlScope;
  readonly #changedAtMs: number;
  readonly #seals: ScopeSeals;
  readonly #firsts: string[] = [];
  readonly #digests: string[] = [];
  #waiting: ScopeRow[] = [];
  #rows = 0;
  #changes = 0;

  constructor(
    collections: Pick<Collections, 'crlScopes' | 'crlBlocks' | 'crlLogs'>,
    scope: CrlScope,
    changedAtMs: number,
    seals: ScopeSeals,
  ) {
    this.#seals = seals;
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
    const head = await this.#logHead();
    const snapshot = {
      id: snapshotId,
      upTo: importEntry,
      rows: this.#rows,
      changes: this.#changes,
      firsts: this.#firsts,
      digests: this.#digests,
      head,
    };
    const followed = {
      applied: importEntry,
      changes: this.#changes,
      changedAtMs: this.#changedAtMs,
      head,
    };
    await this.#collections.crlScopes.insert({
      _id: scopeKey(this.#scope),
      issuer,
      shard,
      intended: importEntry,
      ...followed,
      seal: this.#seals.sealApplied(this.#scope, followed),
      snapshot: { ...snapshot, seal: this.#seals.sealSnapshot(this.#scope, snapshot) },
    });
  }

  /** The import is an entry that was emptied into the snapshot: without that the log does not begin. */
  async #logHead(): Promise<string> {
    const _id = logKey(this.#scope, importEntry);
    const entry = { places: [], rows: new Uint8Array(), changes: this.#changes, atMs: 0 };
    const content = contentOf(entry);
    const seal = this.#seals.sealEntry(this.#scope, { number: importEntry, content }, '');
    await this.#collections.crlLogs.insert({ _id, ...entry, content, seal, isFolded: true });
    return (await this.#collections.crlLogs.get(_id))?.seal ?? seal;
  }

  async #flush(): Promise<void> {
    const [first] = this.#waiting;
    if (first === undefined) return;
    const _id = blockKey(this.#scope, snapshotId, this.#firsts.length);
    const rows = encodeRows(this.#waiting);
    await this.#collections.crlBlocks.insert({ _id, rows });
    this.#digests.push(digestOfBlock(rows));
    this.#firsts.push(Buffer.from(first.serialNumber).toString('hex'));
    this.#rows += this.#waiting.length;
    this.#waiting = [];
  }
}
